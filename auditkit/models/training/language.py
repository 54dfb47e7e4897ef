"""Pretraining of text networks: they learn to tell words of the training texts, without labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from tokenizers import Tokenizer
from torch import Tensor, nn

from auditkit.errors import ConfigError
from auditkit.models.card import Recipe
from auditkit.models.training.fit import Epoch, Progress, fit
from auditkit.models.training.texts import encode, padded, token_id


@runtime_checkable
class LanguageModel(Protocol):
    """A text network that can also tell words: hidden ones, or the next one."""

    def language_loss(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the mean loss, a scalar, of telling words of token ids (n, t) under mask (n, t).

        It may draw from torch's global generator, as dropout does.
        """
        ...


def pretrain(
    module: nn.Module,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    recipe: Recipe,
    *,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> list[Epoch]:
    """Train a language model in place for `recipe.pretraining_epochs` passes over its texts.

    Parameters
    ----------
    module : LanguageModel and Module
        What is trained.
    tokenizer : Tokenizer
        With "[PAD]" and truncation to what the network can read.
    texts : sequence of str
        Those that the labelled training will use; no others.
    recipe : Recipe
        Epochs, step size, seed.
    progress : callable, optional
        Called after each epoch.
    checkpoint : Path, optional
        See `fit`.

    Raises
    ------
    ConfigError
        If the network has no `language_loss`.
    """
    if not isinstance(module, LanguageModel):
        raise ConfigError(
            f"{type(module).__name__} has no language_loss, which pretraining needs.",
            hint="Set pretraining_epochs to 0, or see LanguageModel.",
        )
    device = next(module.parameters()).device
    pad = token_id(tokenizer, "[PAD]")
    encoded = encode(tokenizer, texts)

    def loss(rows: Tensor) -> Tensor:
        ids, mask = padded([encoded[i] for i in rows.tolist()], pad)
        return module.language_loss(ids.to(device), mask.to(device))

    return fit(
        module,
        loss,
        len(encoded),
        recipe,
        progress=progress,
        checkpoint=checkpoint,
        phase="pretraining",
    )

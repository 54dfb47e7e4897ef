"""Trains text networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from auditkit.errors import ConfigError
from auditkit.models.card import Recipe
from auditkit.models.training.fit import Epoch, Progress, fit
from auditkit.models.training.report import share_correct

_BATCH = 256  # validation texts at once


@runtime_checkable
class WithAuxiliaryLoss(Protocol):
    """A network that asks for more than right answers."""

    def auxiliary_loss(self) -> Tensor:
        """Return what its last forward pass adds to the loss, a scalar."""
        ...


def fit_text(
    module: nn.Module,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    labels: Sequence[int] | Tensor,
    recipe: Recipe,
    *,
    validation: tuple[Sequence[str], Tensor] | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> list[Epoch]:
    """Train a text network in place and leave it in evaluation mode.

    Parameters
    ----------
    module : Module
        Maps token ids (m, t) and mask (m, t), True at real tokens, to logits (m, k).
    tokenizer : Tokenizer
        With "[PAD]", "[UNK]" and truncation to what the network can read.
    texts : sequence of str
        n training texts.
    labels : sequence of int
        (n,) class numbers.
    recipe : Recipe
        Epochs, step size, word dropout, seed.
    validation : (texts, labels), optional
        Only measured after each epoch, never trained on.
    progress : callable, optional
        Called after each epoch.
    checkpoint : Path, optional
        See `fit`.
    """
    device = next(module.parameters()).device
    pad, unknown = token_id(tokenizer, "[PAD]"), token_id(tokenizer, "[UNK]")
    encoded = encode(tokenizer, texts)
    truth = torch.as_tensor(labels, dtype=torch.int64)

    def loss(rows: Tensor) -> Tensor:
        ids, mask = padded([encoded[i] for i in rows.tolist()], pad)
        dropped = torch.rand(ids.shape) < recipe.word_dropout
        dropped[:, 0] = False  # the first token is special
        ids = torch.where(dropped & mask, unknown, ids)
        value = functional.cross_entropy(
            module(ids.to(device), mask.to(device)),
            truth[rows].to(device),
            label_smoothing=recipe.label_smoothing,
        )
        return value + module.auxiliary_loss() if isinstance(module, WithAuxiliaryLoss) else value

    def validated() -> float:
        assert validation is not None
        rows = encode(tokenizer, validation[0])
        batches = [padded(rows[i : i + _BATCH], pad) for i in range(0, len(rows), _BATCH)]
        parts = [module(ids.to(device), mask.to(device)).cpu() for ids, mask in batches]
        return share_correct(torch.cat(parts), validation[1])

    return fit(
        module,
        loss,
        len(truth),
        recipe,
        validated=validated if validation else None,
        progress=progress,
        checkpoint=checkpoint,
    )


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """Return the number of a token that training needs.

    Raises
    ------
    ConfigError
        If the tokenizer has no such token.
    """
    number = tokenizer.token_to_id(token)
    if number is None:
        raise ConfigError(f"The tokenizer has no {token} token.", hint="See word_tokenizer.")
    return number


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Tensor]:
    """Return the token ids of each text."""
    tokenizer.no_padding()
    return [torch.tensor(row.ids) for row in tokenizer.encode_batch(list(texts))]


def padded(rows: list[Tensor], pad: int) -> tuple[Tensor, Tensor]:
    """Return ids (m, t) and mask (m, t), as long as the longest row."""
    ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad)
    lengths = torch.tensor([len(row) for row in rows])
    return ids, torch.arange(ids.shape[1]) < lengths[:, None]

"""The training loop: AdamW, warm-up and cosine decay, repeatable to the bit, resumable."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, final

import torch
from torch import Tensor, nn

from auditkit.models.card import Recipe
from auditkit.randomness import key_of
from auditkit.result import write_atomically


@final
@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One pass over the training inputs."""

    number: int  # from 1
    of: int
    loss: float  # mean over the augmented inputs
    validation: float | None = None  # accuracy, where validation inputs were given
    phase: str = ""  # "pretraining", or nothing

    def __str__(self) -> str:
        share = "" if self.validation is None else f", validation accuracy {self.validation:.4f}"
        phase = f"{self.phase}: " if self.phase else ""
        return f"{phase}epoch {self.number}/{self.of}: loss {self.loss:.4f}{share}"


Progress: TypeAlias = Callable[[Epoch], None]
Loss: TypeAlias = Callable[[Tensor], Tensor]  # row numbers (m,) -> mean loss of these rows, ()


def fit(
    module: nn.Module,
    loss: Loss,
    n: int,
    recipe: Recipe,
    *,
    validated: Callable[[], float] | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    phase: str = "",
) -> list[Epoch]:
    """Train a network in place and leave it in evaluation mode.

    Parameters
    ----------
    module : Module
        What is trained; `loss` runs it.
    loss : callable
        Maps row numbers (m,) to the mean loss of these rows. It may draw from torch's global
        generator, which is seeded anew at the start of every epoch.
    n : int
        Number of rows.
    recipe : Recipe
        Epochs, batch size, step size, precision, seed.
    validated : callable, optional
        Returns the accuracy on inputs that are never trained on; called after each epoch.
    progress : callable, optional
        Called after each epoch.
    checkpoint : Path, optional
        Written after each epoch and read at the start, so that a stopped training goes on where it
        was; one of other settings is ignored.
    phase : str
        "pretraining" where the labels are not used; also keeps the checkpoints of two phases apart.

    Returns
    -------
    list of Epoch
        All of them, also those that were read from the checkpoint.

    References
    ----------
    Loshchilov and Hutter, 2019, arXiv:1711.05101 (AdamW).
    """
    module.requires_grad_(True)
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    total = recipe.pretraining_epochs if phase == "pretraining" else recipe.epochs
    steps = total * math.ceil(n / recipe.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    kept = Checkpoint(
        checkpoint,
        settings=(recipe, n, phase, shapes_of(module)),
        parts={"module": module, "optimizer": optimizer, "schedule": schedule},
    )
    device = next(module.parameters()).device
    epochs = kept.read()
    with repeatable(recipe.seed, device):
        for number in range(len(epochs) + 1, total + 1):
            torch.manual_seed(key_of(recipe.seed, "training", phase, str(number)) >> 1)
            module.train()
            summed = 0.0
            for rows in torch.randperm(n).split(recipe.batch_size):
                with torch.autocast(
                    device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"
                ):
                    value = loss(rows)
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
                schedule.step()
                summed += value.item() * len(rows)
            module.eval()
            with torch.no_grad():
                share = validated() if validated else None
            epoch = Epoch(number=number, of=total, loss=summed / n, validation=share, phase=phase)
            epochs.append(epoch)
            kept.write(epochs)
            if progress:
                progress(epoch)
    module.eval()
    return epochs


@contextmanager
def repeatable(seed: int, device: torch.device | None = None) -> Generator[None]:
    """Within the block the same seed gives the same bits; afterwards everything is as before.

    On a GPU some sums have no repeatable form; there the same seed gives the same numbers up to
    rounding.
    """
    cuda = device is not None and device.type == "cuda"
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[device] if cuda else []):
        torch.manual_seed(seed)
        torch.set_num_threads(1)  # sums over several threads round differently
        torch.use_deterministic_algorithms(True, warn_only=cuda)
        torch.set_flush_denormal(True)  # numbers below 1e-38 cost a hundred times the time
        try:
            yield
        finally:
            torch.set_flush_denormal(False)
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(strict)


def _rate(step: int, steps: int) -> float:
    """Rise linearly over the first tenth, then fall to zero along a cosine."""
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def shapes_of(module: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    """Return name and shape of everything a network holds."""
    return [(name, tuple(value.shape)) for name, value in module.state_dict().items()]


class Stateful(Protocol):
    """Something whose state can be kept: a network, an optimiser, a schedule."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""
        ...

    def load_state_dict(self, state_dict: Any, /) -> Any:
        """Take over a state."""
        ...


@final
class Checkpoint:
    """What a stopped training needs to go on, in a file.

    Parameters
    ----------
    path : Path, optional
        The file; without it nothing is kept.
    settings : object
        Its `repr` is everything that a checkpoint must agree with; one of others is ignored.
    parts : dict
        What changes while training.
    """

    def __init__(
        self, path: Path | None, *, settings: object, parts: Mapping[str, Stateful]
    ) -> None:
        self._path, self._parts = path, parts
        self._settings = hashlib.sha256(repr(settings).encode()).hexdigest()

    def write(self, epochs: list[Epoch]) -> None:
        """Keep everything as it is after these epochs."""
        if self._path is None:
            return
        content: dict[str, Any] = {name: one.state_dict() for name, one in self._parts.items()}
        content["settings"] = self._settings
        content["epochs"] = [vars(one) for one in epochs]
        buffer = io.BytesIO()
        torch.save(content, buffer)
        write_atomically(self._path, buffer.getvalue())

    def read(self) -> list[Epoch]:
        """Put everything back, and return the epochs that were done; none without a checkpoint."""
        if self._path is None or not self._path.exists():
            return []
        content = torch.load(self._path, weights_only=True)
        if content["settings"] != self._settings:
            return []
        for name, one in self._parts.items():
            one.load_state_dict(content[name])
        return [Epoch(**one) for one in content["epochs"]]

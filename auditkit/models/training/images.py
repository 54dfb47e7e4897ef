"""Trains image networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from auditkit.models.card import Recipe
from auditkit.models.training.augment import augmented
from auditkit.models.training.fit import Epoch, Progress, fit
from auditkit.models.training.hardening import objective_of
from auditkit.models.training.report import share_correct

_BATCH = 500  # validation images at once


def fit_image(
    module: nn.Module,
    images: Tensor,
    labels: Sequence[int] | Tensor,
    recipe: Recipe,
    *,
    validation: tuple[Tensor, Tensor] | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    teacher: nn.Module | None = None,
) -> list[Epoch]:
    """Train an image network in place and leave it in evaluation mode.

    Parameters
    ----------
    module : Module
        Maps images (m, c, h, w) to logits (m, k).
    images : Tensor
        (n, c, h, w) in [0, 1] where the recipe hardens the network, else as the network reads them.
    labels : sequence of int
        (n,) class numbers.
    recipe : Recipe
        Epochs, step size, augmentation, seed.
    validation : (images, labels), optional
        Only measured after each epoch, never trained on.
    progress : callable, optional
        Called after each epoch.
    checkpoint : Path, optional
        See `fit`.
    teacher : Module, optional
        What a `Distilled` network learns from.
    """
    device = next(module.parameters()).device
    layout = torch.channels_last if recipe.precision == "bfloat16" else torch.contiguous_format
    module.to(memory_format=layout)  # pyright: ignore[reportCallIssue]
    objective = objective_of(recipe, teacher)
    truth = torch.as_tensor(labels, dtype=torch.int64)

    def loss(rows: Tensor) -> Tensor:
        changed = augmented(images[rows].to(device), recipe).contiguous(memory_format=layout)
        return objective(module, changed, truth[rows].to(device))

    def validated() -> float:
        assert validation is not None
        parts = [module(part.to(device)).cpu() for part in validation[0].split(_BATCH)]
        return share_correct(torch.cat(parts), validation[1])

    try:
        return fit(
            module,
            loss,
            len(truth),
            recipe,
            validated=validated if validation else None,
            progress=progress,
            checkpoint=checkpoint,
        )
    finally:
        module.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]

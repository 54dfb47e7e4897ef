"""Small problems that a network learns in a second."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from auditkit.models.card import Recipe

SHORT = Recipe(seed=0, epochs=2, batch_size=64, learning_rate=3e-3, shift=0.5, rotation=5, zoom=0.1)


def separable(n: int = 200) -> tuple[Tensor, Tensor]:
    """Images whose left or right half is brighter."""
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(n, 1, 4, 4, generator=rng) / 2
    labels = torch.randint(2, (n,), generator=rng)
    images[labels == 1, :, :, 2:] += 0.4
    images[labels == 0, :, :, :2] += 0.4
    return images, labels


def linear() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 2))


def sentences() -> tuple[list[str], list[int]]:
    """Praise and complaint, told apart by one negation."""
    texts = [
        f"the {thing} was {word}" for thing in "abcdefgh" for word in ("good", "bad", "not bad")
    ]
    return texts, [0 if text.endswith("was bad") else 1 for text in texts]

"""Reference images: what an attribution counts from, and what hides a part of an image."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

Reference: TypeAlias = Literal["mean", "low", "middle", "high"]
REFERENCES: tuple[Reference, ...] = get_args(Reference)


def reference_images(images: Tensor, bounds: tuple[float, float], kind: Reference) -> Tensor:
    """Return one plain reference per image (n, c, h, w), as a tensor of that shape.

    Parameters
    ----------
    images : Tensor
        (n, c, h, w) in raw units.
    bounds : (low, high)
        Range of a raw pixel.
    kind : {"mean", "low", "middle", "high"}
        Each image's own mean colour, or the lowest, middle or highest raw value. With "low" a
        black pixel can have no score, whatever the model makes of it.
    """
    low, high = bounds
    match kind:
        case "mean":
            return images.mean(dim=(2, 3), keepdim=True).expand_as(images)
        case "low":
            return torch.full_like(images, low)
        case "middle":
            return torch.full_like(images, (low + high) / 2)
        case "high":
            return torch.full_like(images, high)

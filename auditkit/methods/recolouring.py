"""Graded changes of brightness, tone, hue and detail of images, inside or outside a region."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

Change: TypeAlias = Literal["brightness", "tone", "hue", "fade"]


def brightness(images: Tensor, amount: float) -> Tensor:
    """Add `amount` of the range to every value; images (n, c, h, w) in [0, 1]."""
    return (images + amount).clamp(0, 1)


def tone(images: Tensor, amount: float) -> Tensor:
    """Raise every value to the power 4 ** -amount: middle tones grow lighter, or darker."""
    return images.clamp(0, 1) ** 4.0**-amount


def hue(images: Tensor, amount: float) -> Tensor:
    """Turn every colour around the grey axis by `amount` of half a circle; three channels."""
    angle = amount * math.pi
    along = (1 - math.cos(angle)) / 3
    side = math.sin(angle) / math.sqrt(3)
    turn = torch.tensor(
        [
            [math.cos(angle) + along, along - side, along + side],
            [along + side, math.cos(angle) + along, along - side],
            [along - side, along + side, math.cos(angle) + along],
        ],
        dtype=images.dtype,
        device=images.device,
    )
    return torch.einsum("ij,njhw->nihw", turn, images).clamp(0, 1)


def fade(images: Tensor, amount: float) -> Tensor:
    """Move every value by `amount` of the way to its channel's mean; below 0 away from it."""
    mean = images.mean(dim=(2, 3), keepdim=True)
    return (images + amount * (mean - images)).clamp(0, 1)


CHANGES: Mapping[Change, Callable[[Tensor, float], Tensor]] = {
    "brightness": brightness,
    "tone": tone,
    "hue": hue,
    "fade": fade,
}


class Parts(NamedTuple):
    """Images changed in a region alone, and outside it alone, both by the same L2 distance."""

    inside: Tensor  # (n, c, h, w)
    outside: Tensor
    size: Tensor  # (n,) L2 distance; 0 where one of the two cannot change


def in_parts(images: Tensor, changed: Tensor, region: Tensor) -> Parts:
    """Return the change in the region alone and outside alone, the larger one scaled down.

    Parameters
    ----------
    images, changed : Tensor
        (n, c, h, w) before and after a change of the whole. What lies between is within any box
        that holds both.
    region : Tensor
        (n, h, w) bool.
    """
    inside = (changed - images) * region[:, None]
    outside = (changed - images) * ~region[:, None]
    sizes = torch.stack([one.flatten(1).norm(dim=1) for one in (inside, outside)])  # (2, n)
    size = sizes.amin(dim=0)
    scale = (size / sizes.clamp_min(1e-12))[:, :, None, None, None]
    return Parts(images + scale[0] * inside, images + scale[1] * outside, size)

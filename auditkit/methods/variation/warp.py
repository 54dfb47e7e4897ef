"""Images seen from elsewhere: turned, shifted, nearer, further away, cut."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from auditkit.randomness import uniform
from auditkit.types import Floats, Keys

DEGREES = (5.0, 10.0, 15.0, 20.0, 30.0)  # severity 1 to 5, here and below
SHIFT = (0.03, 0.06, 0.1, 0.15, 0.2)  # share of the sides
FACTOR = (1.1, 1.2, 1.35, 1.5, 1.75)
KEPT = (0.95, 0.9, 0.8, 0.7, 0.6)  # share of each side


def rotation(images: Tensor, severity: int, keys: Keys) -> Tensor:
    """Turn each image (n, c, h, w) by 5, 10, 15, 20 or 30 degrees, to a side drawn by key."""
    side = np.where(uniform(keys, ()) < 0.5, -1.0, 1.0)
    angle = np.radians(DEGREES[severity - 1]) * side
    return warped(images, angle=angle)


def translation(images: Tensor, severity: int, keys: Keys) -> Tensor:
    """Shift each image by 3, 6, 10, 15 or 20 % of its sides, in a direction drawn by key."""
    direction = 2 * math.pi * uniform(keys, ())
    length = SHIFT[severity - 1]
    right, down = length * np.cos(direction), length * np.sin(direction)
    return warped(images, shift=np.stack([right, down], axis=1))


def scale(images: Tensor, severity: int, keys: Keys) -> Tensor:
    """Show each image 1.1, 1.2, 1.35, 1.5 or 1.75 times as large or as small, as drawn by key."""
    factor = FACTOR[severity - 1]
    return warped(images, zoom=np.where(uniform(keys, ()) < 0.5, 1 / factor, factor))


def crop(images: Tensor, severity: int, keys: Keys) -> Tensor:
    """Show only 95, 90, 80, 70 or 60 % of each side, cut at a place drawn by key, at full size."""
    kept = KEPT[severity - 1]
    place = (1 - kept) * (uniform(keys, (2,)) - 0.5)  # of the cut's centre, as shares of the sides
    return warped(images, zoom=np.full(len(images), 1 / kept), shift=-place / kept)


def warped(
    images: Tensor, *, angle: Floats | None = None, zoom: Floats | None = None,
    shift: Floats | None = None,
) -> Tensor:  # fmt: skip
    """Return images turned about their centre, enlarged, then shifted.

    Between pixels values are interpolated bilinearly; beyond the rim its pixels are repeated.

    Parameters
    ----------
    images : Tensor
        (n, c, h, w).
    angle : ndarray, optional
        (n,) radians counter-clockwise.
    zoom : ndarray, optional
        (n,) factors, above 1 for larger.
    shift : ndarray, optional
        (n, 2) to the right as a share of the width, down as a share of the height.

    Examples
    --------
    >>> image = torch.arange(4.0).view(1, 1, 1, 4)
    >>> warped(image, shift=np.array([[0.25, 0.0]])).flatten().tolist()
    [0.0, 0.0, 1.0, 2.0]
    """
    n, _, height, width = images.shape
    if n == 0:
        return images
    angle = np.zeros(n) if angle is None else angle
    zoom = np.ones(n) if zoom is None else zoom
    shift = np.zeros((n, 2)) if shift is None else shift
    cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
    # affine_grid asks where each place of the new image, in [-1, 1], comes from in the old one.
    back = np.stack([cos, -sin * height / width, sin * width / height, cos], axis=1)
    back = back.reshape(n, 2, 2)
    theta = torch.from_numpy(np.concatenate([back, -back @ (2 * shift)[:, :, None]], axis=2))
    grid = functional.affine_grid(theta.to(images), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)

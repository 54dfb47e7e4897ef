"""Blur along a line: the one-sided Gaussian that stands in for ImageMagick's motion blur."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor
from torch.nn import functional

from auditkit.methods.corruptions._shifts import summed_shifts

_NEGLIGIBLE = 1e-9  # of a weight: no float32 in [0, 1] changes by it


def streaked(planes: Tensor, radius: int, sigma: float, angle: float) -> Tensor:
    """Blur planes along a line that starts at every pixel.

    The weights are a Gaussian of the distance, over 2 r + 1 whole pixels in one direction; beyond
    the border the last pixel is repeated.

    Parameters
    ----------
    planes : Tensor
        (c, h, w) float32.
    radius : int
        r, in pixels.
    sigma : float
        Standard deviation of the weights, in pixels.
    angle : float
        Of the line, in degrees; 0 points along a row.
    """
    _, height, width = planes.shape
    taps = np.arange(2 * radius + 1)
    weights = np.exp(-(taps**2) / (2 * sigma**2))
    weights /= weights.sum()
    taps = taps[weights > _NEGLIGIBLE].tolist()
    up = math.sin(math.radians(angle))
    along = math.cos(math.radians(angle))
    steps = [(_step(tap * up, height), _step(tap * along, width)) for tap in taps]  # pixels read
    rows, columns = ([step[axis] for step in steps] for axis in (0, 1))
    top, start = -min(rows), -min(columns)
    margins = (start, max(columns), top, max(rows))
    padded = functional.pad(planes[None], margins, mode="replicate")[0]
    shifts = [
        (top + row, start + column, weight)
        for (row, column), weight in zip(steps, weights.tolist(), strict=False)
    ]
    return summed_shifts(padded, shifts, height=height, width=width)


def _step(distance: float, size: int) -> int:
    """Return whole pixels, halves downwards; past the border every pixel is the last one."""
    return max(-size, min(size, math.ceil(distance - 0.5)))

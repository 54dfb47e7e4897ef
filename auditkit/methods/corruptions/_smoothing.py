"""The Gaussian filter of scikit-image, which the published corruptions call."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np

from auditkit.methods.corruptions._bands import Band, filter_matrix
from auditkit.types import Floats, Ints

Border = Literal["nearest", "reflect"]


def smoothed(
    planes: Floats, sigma: float, *, truncate: float = 4.0, border: Border = "nearest"
) -> Floats:
    """Return planes (..., h, w) after a Gaussian filter along both axes.

    Parameters
    ----------
    planes : ndarray
        (..., h, w) float32.
    sigma : float
        Standard deviation in pixels; 0 changes nothing.
    truncate : float
        Reach of the filter in standard deviations, rounded to whole pixels.
    border : str
        "nearest" repeats the last pixel (a a | a b c | c c), "reflect" mirrors with the last pixel
        (b a | a b c | c b).
    """
    down = _band(planes.shape[-2], sigma, truncate, border)
    across = _band(planes.shape[-1], sigma, truncate, border)
    if down is None or across is None:
        return planes
    return across.across(down.down(planes))


@lru_cache(maxsize=64)
def _band(size: int, sigma: float, truncate: float, border: Border) -> Band | None:
    reach = int(truncate * sigma + 0.5)
    if reach == 0:
        return None
    steps = np.arange(-reach, reach + 1)
    bell = np.exp(-0.5 * (steps / sigma) ** 2)
    positions = np.arange(-reach, size + reach)
    read = np.clip(positions, 0, size - 1) if border == "nearest" else _reflected(positions, size)
    return Band.of(filter_matrix(bell / bell.sum(), read, size))


def _reflected(positions: Ints, size: int) -> Ints:
    folded = positions % (2 * size)
    return np.minimum(folded, 2 * size - 1 - folded)

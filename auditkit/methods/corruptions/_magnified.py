"""The centre of an image, enlarged to the old size, as the published `clipped_zoom` does."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from auditkit.methods.corruptions._bands import Band
from auditkit.types import Floats


def magnified(planes: Floats, factor: float) -> Floats:
    """Return planes (..., h, w) whose centre is enlarged `factor` times, linearly interpolated."""
    down, across = (magnifier(size, factor) for size in planes.shape[-2:])
    return across.across(down.down(planes))


def read_by(size: int, factor: float) -> slice:
    """Return the range of positions that is enlarged."""
    kept = math.ceil(size / factor)
    first = (size - kept) // 2
    return slice(first, first + kept)


@lru_cache(maxsize=256)
def magnifier(size: int, factor: float) -> Band:
    """Return the map of one axis: `scipy.ndimage.zoom` of order 1 on the centre, cut to `size`.

    The first and the last position of what is enlarged meet those of the result, of which the
    middle `size` are kept.
    """
    centre = read_by(size, factor)
    kept = centre.stop - centre.start
    length = round(kept * factor)
    start = (length - size) // 2
    where = (np.arange(size) + start) * (kept - 1) / max(length - 1, 1)  # (size,)
    left = np.clip(np.floor(where).astype(np.int64), 0, max(kept - 2, 0))
    share = where - left
    matrix = np.zeros((size, size))
    rows = np.arange(size)
    np.add.at(matrix, (rows, centre.start + left), 1 - share)
    np.add.at(matrix, (rows, centre.start + np.minimum(left + 1, kept - 1)), share)
    return Band.of(matrix)

"""Pixelation: a low resolution, enlarged again."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from torch import Tensor

from auditkit.methods.corruptions._arrays import array_of, tensor_like
from auditkit.methods.corruptions._bands import Band
from auditkit.methods.corruptions.severity import Constants, constant
from auditkit.types import Floats, Ints, Keys

KEPT: Constants = {  # share of the pixels kept along each side
    32: (0.95, 0.9, 0.85, 0.75, 0.65),
    64: (0.9, 0.8, 0.7, 0.6, 0.5),
    224: (0.6, 0.5, 0.4, 0.3, 0.25),
}


def pixelate(images: Tensor, severity: int, keys: Keys) -> Tensor:  # noqa: ARG001
    """Average the image over a coarser grid of cells and show the cells at the old size.

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, section 3.1.
    """
    clean = array_of(images)
    _, _, height, width = clean.shape
    kept = constant(KEPT, severity, height=height, width=width)
    rows = cell_of(height, max(1, int(height * kept)))  # (h,)
    counts = np.bincount(rows)  # (cells,) pixels of each
    height_of_cell = counts.astype(np.float32)[:, None]
    across = _averaging(width, max(1, int(width * kept)))
    coarse = np.empty_like(clean)
    for i, image in enumerate(clean):
        sums = _sums(image, counts)
        sums /= height_of_cell
        means = across.across(sums)
        np.take(np.clip(means, 0, 1, out=means), rows, axis=1, out=coarse[i], mode="clip")
    return tensor_like(images, coarse)


def _sums(image: Floats, counts: Ints) -> Floats:
    """Add the rows of each cell: (c, cells, w), row by row of all cells at once."""
    firsts = np.cumsum(counts) - counts
    sums = image.take(firsts, axis=1)
    fewest = int(counts.min())
    for row in range(1, fewest):
        sums += image.take(firsts + row, axis=1)
    longer = np.flatnonzero(counts > fewest)  # by one row
    sums[:, longer] += image.take(firsts[longer] + fewest, axis=1)
    return sums


def cell_of(size: int, cells: int) -> Ints:
    """Return for every pixel of an axis (size,) its cell.

    A pixel belongs to the cell that holds its centre; one whose centre lies exactly between two
    cells, which happens at no published size, to the second.
    """
    centres = (2 * np.arange(size) + 1) * cells  # in units of 1/(2 size)
    return centres // (2 * size)


@lru_cache(maxsize=64)
def _averaging(size: int, cells: int) -> Band:
    """Return the map that gives every pixel of a row the mean of its cell."""
    own = cell_of(size, cells)
    same = own[:, None] == own[None, :]
    return Band.of(same / same.sum(axis=1, keepdims=True))

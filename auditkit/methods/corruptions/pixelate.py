"""Pixelation: a low resolution, enlarged again."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from auditkit.methods.corruptions._arrays import array_of, blocks, tensor_like
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
    n, channels, height, width = clean.shape
    kept = constant(KEPT, severity, height=height, width=width)
    rows, columns = (cell_of(size, max(1, int(size * kept))) for size in (height, width))
    tall, wide = np.bincount(rows), np.bincount(columns)  # (cells,) pixels of each
    pixels = np.outer(tall, wide).astype(np.float32)
    coarse = np.empty_like(clean)
    for block in blocks(n, channels * height * width):
        means = _sums(_sums(clean[block], tall, axis=2), wide, axis=3)
        means /= pixels
        np.clip(means, 0, 1, out=means)
        np.take(means.take(columns, axis=3), rows, axis=2, out=coarse[block], mode="clip")
    return tensor_like(images, coarse)


def _sums(values: Floats, counts: Ints, *, axis: int) -> Floats:
    """Add the positions of each cell along an axis, position by position of all cells at once."""
    firsts = np.cumsum(counts) - counts
    sums = values.take(firsts, axis=axis)
    fewest = int(counts.min())
    for step in range(1, fewest):
        sums += values.take(firsts + step, axis=axis)
    longer = np.flatnonzero(counts > fewest)  # by one
    where = (*[slice(None)] * axis, longer)
    sums[where] += values.take(firsts[longer] + fewest, axis=axis)
    return sums


def cell_of(size: int, cells: int) -> Ints:
    """Return for every pixel of an axis (size,) its cell.

    A pixel belongs to the cell that holds its centre; one whose centre lies exactly between two
    cells, which happens at no published size, to the second.
    """
    centres = (2 * np.arange(size) + 1) * cells  # in units of 1/(2 size)
    return centres // (2 * size)

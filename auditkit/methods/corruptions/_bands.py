"""Linear maps along rows or columns of images whose weights lie near the diagonal.

A filter or a change of scale along one axis is a matrix of mostly zeros. It is cut into blocks of
output positions that read a short range of input positions each. Matrices of a stack are multiplied
one by one, so that a result does not depend on what else is in the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from auditkit.types import Floats, Ints

_BLOCK = 56  # output positions; a quarter of the side at 224 pixels


@final
@dataclass(frozen=True)
class Band:
    """A matrix (size out, size in), as blocks."""

    blocks: tuple[tuple[slice, slice, Floats], ...]  # output, input, float32 weights
    size: int

    @classmethod
    def of(cls, matrix: Floats) -> Band:
        """Cut a matrix into blocks."""
        blocks: list[tuple[slice, slice, Floats]] = []
        for start in range(0, len(matrix), _BLOCK):
            rows = matrix[start : start + _BLOCK]
            read = np.flatnonzero(rows.any(axis=0))
            first, last = (int(read[0]), int(read[-1]) + 1) if len(read) else (0, 1)
            weights = np.ascontiguousarray(rows[:, first:last], dtype=np.float32)
            blocks.append((slice(start, start + len(rows)), slice(first, last), weights))
        return cls(tuple(blocks), len(matrix))

    def down(self, planes: Floats) -> Floats:
        """Map the columns of planes (..., h, w)."""
        mapped = np.empty((*planes.shape[:-2], self.size, planes.shape[-1]), dtype=np.float32)
        for put, take, weights in self.blocks:
            np.matmul(weights, planes[..., take, :], out=mapped[..., put, :])
        return mapped

    def across(self, planes: Floats) -> Floats:
        """Map the rows of planes (..., h, w)."""
        mapped = np.empty((*planes.shape[:-1], self.size), dtype=np.float32)
        for put, take, weights in self.blocks:
            np.matmul(planes[..., take], weights.T, out=mapped[..., put])
        return mapped


def filter_matrix(kernel: Floats, positions: Ints, size: int) -> Floats:
    """Return the matrix (size, size) of a filter along one axis.

    Parameters
    ----------
    kernel : ndarray
        (2 r + 1,) weights.
    positions : ndarray
        (size + 2 r,) where each position -r .. size - 1 + r is read inside the image.
    size : int
        Length of the axis.
    """
    matrix = np.zeros((size, size))
    rows = np.arange(size)
    for tap, weight in enumerate(kernel):
        np.add.at(matrix, (rows, positions[tap : tap + size]), weight)
    return matrix

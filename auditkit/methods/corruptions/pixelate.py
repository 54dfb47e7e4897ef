"""Pixelation: a low resolution, enlarged again."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.corruptions.severity import Constants, constant
from auditkit.types import Keys

KEPT: Constants = {  # share of the pixels kept along each side
    32: (0.95, 0.9, 0.85, 0.75, 0.65),
    64: (0.9, 0.8, 0.7, 0.6, 0.5),
    224: (0.6, 0.5, 0.4, 0.3, 0.25),
}


def pixelate(images: Tensor, severity: int, keys: Keys) -> Tensor:  # noqa: ARG001
    """Average the image over a coarser grid of cells and show the cells at the old size.

    Parameters
    ----------
    images : Tensor
        (n, c, h, w) float32 in [0, 1].
    severity : int
        1 to 5.
    keys : ndarray
        Not used: nothing here is random.

    Returns
    -------
    Tensor
        (n, c, h, w) float32 in [0, 1].

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, section 3.1.
    """
    height, width = images.shape[2:]
    kept = constant(KEPT, severity, height=height, width=width)
    across = _coarse(images, -1, max(1, int(width * kept)))
    return _coarse(across, -2, max(1, int(height * kept))).clamp(0, 1)


def _coarse(images: Tensor, axis: int, cells: int) -> Tensor:
    """Average along one axis over `cells` cells and give every pixel the mean of its cell.

    A pixel belongs to the cell that holds its centre; one whose centre lies exactly between two
    cells, which happens at no published size, to the second.
    """
    size = images.shape[axis]
    centres = (2 * torch.arange(size, device=images.device) + 1) * cells  # in units of 1/(2 size)
    cell_of = centres.div(2 * size, rounding_mode="floor")  # (size,)
    shape = list(images.shape)
    shape[axis] = cells
    sums = images.new_zeros(shape).index_add_(axis, cell_of, images)
    counts = torch.bincount(cell_of, minlength=cells).to(images.dtype)
    means = sums / (counts if axis == -1 else counts[:, None])
    return means.index_select(axis, cell_of)

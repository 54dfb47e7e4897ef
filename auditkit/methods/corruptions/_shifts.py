"""Weighted sums of shifted copies of an image, for filters of few weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def summed_shifts(
    padded: Tensor, taps: Iterable[tuple[int, int, float]], *, height: int, width: int
) -> Tensor:
    """Return the sum over (row, column, weight) of weight times padded[:, row:, column:].

    Rows are laid end to end, so that every shifted copy is one run of memory; what wraps from one
    row into the next lies outside the part that is returned.

    Parameters
    ----------
    padded : Tensor
        (c, h + rows, w + columns) contiguous.
    taps : iterable of (int, int, float)
        Rows and columns to shift by, at least 0, and the weight.
    height, width : int
        h and w of what is returned, (c, h, w).
    """
    line, stride = padded.view(-1), padded.shape[2]
    total = torch.zeros_like(line)
    length = len(line)
    for row, column, weight in taps:
        skipped = row * stride + column
        total.narrow(0, 0, length - skipped).add_(
            line.narrow(0, skipped, length - skipped), alpha=weight
        )
    return total.view(padded.shape)[:, :height, :width]

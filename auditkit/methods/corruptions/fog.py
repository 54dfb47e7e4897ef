"""Fog: a bright haze of uneven thickness."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from auditkit.methods.corruptions._arrays import array_of, blocks, tensor_like
from auditkit.methods.corruptions.severity import Constants, constant
from auditkit.randomness import generator
from auditkit.types import Floats, Keys

AMOUNT: Constants = {
    32: (0.2, 0.5, 0.75, 1, 1.5),
    64: (0.4, 0.7, 1, 1.5, 2),
    224: (1.5, 2, 2.5, 2.5, 3),
}
DECAY: Constants = {  # of the roughness from one scale to the next
    32: (3, 3, 2.5, 2, 1.75),
    64: (3, 3, 2.5, 2, 1.75),
    224: (2, 2, 1.7, 1.5, 1.4),
}
_SMALLEST_MAP = 32  # published for 32 pixels; smaller images see a part of it


def fog(images: Tensor, severity: int, keys: Keys) -> Tensor:
    """Add a plasma fractal in [0, 1] times an amount, and scale down so that white stays white.

    The fractal's side is the smallest power of two that holds the image, at least 32; the image
    gets its upper left part.

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, section 3.1.
    """
    clean = array_of(images)
    _, _, height, width = clean.shape
    amount = constant(AMOUNT, severity, height=height, width=width)
    decay = constant(DECAY, severity, height=height, width=width)
    side = max(_SMALLEST_MAP, 1 << (max(height, width) - 1).bit_length())
    foggy = np.empty_like(clean)
    for block in blocks(len(clean), side * side):
        draws = [generator(key).random(side * side - 1, dtype=np.float32) for key in keys[block]]
        haze = plasma(np.stack(draws), side, decay)[:, None, :height, :width]
        brightest = clean[block].max(axis=(1, 2, 3), keepdims=True)
        haze *= np.float32(amount)
        np.add(clean[block], haze, out=foggy[block])
        foggy[block] *= brightest / (brightest + np.float32(amount))
    return tensor_like(images, np.clip(foggy, 0, 1, out=foggy))


def plasma(draws: Floats, side: int, decay: float) -> Floats:
    """Return height maps (n, side, side) by the diamond-square algorithm, each scaled to [0, 1].

    Parameters
    ----------
    draws : ndarray
        (n, side**2 - 1) in [0, 1], in order: from the coarsest scale to the finest, the
        middles of the squares, then those of their upper edges, then those of their left edges.
    side : int
        A power of two.
    decay : float
        By which the roughness is divided from one scale to the next.
    """
    heights = np.zeros((len(draws), side, side), dtype=np.float32)
    step, used, wobble = side, 0, 100.0
    while step >= 2:
        half, cells = step // 2, side // step
        # The published code multiplies by the roughness twice.
        rough = draws[:, used : used + 3 * cells * cells] * np.float32(2 * wobble * wobble)
        rough -= np.float32(wobble * wobble)
        rough = rough.reshape(-1, 3, cells, cells)
        corners = heights[:, ::step, ::step]
        below = corners + _rolled(corners, 1, 0)
        middles = (below + _rolled(below, 0, 1)) / 4 + rough[:, 0]
        along = corners + _rolled(corners, 0, 1)
        heights[:, half::step, half::step] = middles
        heights[:, ::step, half::step] = (middles + _rolled(middles, -1, 0) + along) / 4 + rough[
            :, 1
        ]
        heights[:, half::step, ::step] = (middles + _rolled(middles, 0, -1) + below) / 4 + rough[
            :, 2
        ]
        used += 3 * cells * cells
        step, wobble = half, wobble / decay
    heights -= heights.min(axis=(1, 2), keepdims=True)
    heights /= heights.max(axis=(1, 2), keepdims=True)
    return heights


def _rolled(cells: Floats, down: int, across: int) -> Floats:
    """Return the neighbour of every cell (n, k, k), one step down or across; the map is a ring."""
    size = cells.shape[1]
    order = np.arange(size)
    if down:
        return cells.take((order + down) % size, axis=1)
    return cells.take((order + across) % size, axis=2)

"""Elastic transform: the picture is sheared and stretched, as if printed on rubber."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from torch import Tensor

from auditkit.methods.corruptions._arrays import array_of, blocks, tensor_like
from auditkit.methods.corruptions._smoothing import smoothed
from auditkit.methods.corruptions.severity import Constants, constant
from auditkit.randomness import generator
from auditkit.types import Floats, Ints, Keys

# In pixels. The published constants are shares of the side; the code for 224 pixels has 244.
ALPHA: Constants = {  # height of the waves before they are smoothed
    32: (0, 32 * 0.05, 32 * 0.08, 32 * 0.1, 32 * 0.1),
    64: (0, 64 * 0.05, 64 * 0.1, 64 * 0.1, 64 * 0.16),
    224: (244 * 2, 244 * 2, 244 * 0.05, 244 * 0.07, 244 * 0.12),
}
SIGMA: Constants = {  # of the smoothing
    32: (0, 32 * 0.2, 32 * 0.06, 32 * 0.04, 32 * 0.03),
    64: (0, 64 * 0.3, 64 * 0.08, 64 * 0.03, 64 * 0.03),
    224: (244 * 0.7, 244 * 0.08, 244 * 0.01, 244 * 0.01, 244 * 0.01),
}
AFFINE: Constants = {  # how far each of three points is moved
    32: (32 * 0.08, 32 * 0.07, 32 * 0.06, 32 * 0.05, 32 * 0.03),
    64: (64 * 0.08, 64 * 0.06, 64 * 0.06, 64 * 0.03, 64 * 0.02),
    224: (244 * 0.1, 244 * 0.2, 244 * 0.02, 244 * 0.02, 244 * 0.02),
}

_Fold: TypeAlias = Callable[[Ints, int], Ints]


def elastic_transform(images: Tensor, severity: int, keys: Keys) -> Tensor:
    """Move three points of every image at random, then every pixel along smooth random waves.

    Both moves interpolate linearly. The first mirrors the image at its border without repeating the
    last pixel, the second with it, as published. Images below 3 pixels have no three points and are
    only waved. As published, severities differ in kind and need not grow in effect.

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, section 3.1.
    """
    clean = array_of(images)
    _, _, height, width = clean.shape
    alpha, sigma, affine = (
        constant(one, severity, height=height, width=width) for one in (ALPHA, SIGMA, AFFINE)
    )
    moved = np.empty_like(clean)
    for block in blocks(len(clean), height * width):
        rngs = [generator(key) for key in keys[block]]
        shifts = np.stack([rng.uniform(-affine, affine, size=(3, 2)) for rng in rngs])
        moved[block] = _sheared(clean[block], shifts)
        if alpha > 0:
            drawn = [rng.random((2, height, width), dtype=np.float32) for rng in rngs]
            waves = smoothed(np.stack(drawn) * 2 - 1, sigma, truncate=3, border="reflect")
            moved[block] = _waved(moved[block], waves * np.float32(alpha))
    return tensor_like(images, np.clip(moved, 0, 1, out=moved))


def corners(height: int, width: int) -> Floats:
    """Return the three points (3, 2), each (x, y), that are moved: around the middle."""
    middle = np.array([width // 2, height // 2], dtype=np.float64)
    far = min(height, width) // 3
    return middle + far * np.array([[1, 1], [1, -1], [-1, -1]])


def _sheared(images: Floats, shifts: Floats) -> Floats:
    """Apply the affine maps that move `corners` by the shifts (n, 3, 2)."""
    _, _, height, width = images.shape
    if min(height, width) < 3:
        return images
    before = corners(height, width)
    after = np.concatenate([before + shifts, np.ones((len(shifts), 3, 1))], axis=2)
    # Rows of a map (3, 2) send (x, y, 1) after the move to (x, y) before it.
    back = np.linalg.solve(after, np.broadcast_to(before, (len(shifts), 3, 2)))
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    x, y = (
        columns * back[:, 0, j, None, None]
        + rows * back[:, 1, j, None, None]
        + back[:, 2, j, None, None]
        for j in (0, 1)
    )
    return _read(images, y, x, _mirrored)


def _waved(images: Floats, waves: Floats) -> Floats:
    """Read every pixel from where the waves (n, 2, h, w) lead: along its row, and down."""
    _, _, height, width = images.shape
    x = np.arange(width)[None, :] + waves[:, 0].astype(np.float64)
    y = np.arange(height)[:, None] + waves[:, 1].astype(np.float64)
    return _read(images, y, x, _reflected)


def _read(images: Floats, y: Floats, x: Floats, fold: _Fold) -> Floats:
    """Return images (n, c, h, w) at positions (n, h, w), linearly interpolated."""
    n, channels, height, width = images.shape
    top, left = np.floor(y), np.floor(x)
    down, right = (y - top).astype(np.float32), (x - left).astype(np.float32)
    top, left = top.astype(np.intp), left.astype(np.intp)
    rows = [fold(top + step, height) * width for step in (0, 1)]
    columns = [fold(left + step, width) for step in (0, 1)]
    places = [
        ((row + columns[0]).reshape(n, -1), (row + columns[1]).reshape(n, -1)) for row in rows
    ]
    read = np.empty((n, channels, height * width), dtype=np.float32)
    flat = images.reshape(read.shape)
    for i in range(n):
        corner = [(flat[i].take(a[i], axis=1), flat[i].take(b[i], axis=1)) for a, b in places]
        upper, lower = (_between(*pair, right[i].ravel()) for pair in corner)
        read[i] = _between(upper, lower, down[i].ravel())
    return read.reshape(images.shape)


def _between(first: Floats, second: Floats, share: Floats) -> Floats:
    second -= first
    second *= share
    second += first
    return second


def _mirrored(positions: Ints, size: int) -> Ints:
    """Fold positions into the image: c b | a b c | b a."""
    last = size - 1
    if positions.min() < -last or positions.max() > 2 * last:
        positions = positions % (2 * last)
    return last - np.abs(last - np.abs(positions))


def _reflected(positions: Ints, size: int) -> Ints:
    """Fold positions into the image: b a | a b c | c b."""
    if positions.min() < -size or positions.max() >= 2 * size:
        positions = positions % (2 * size)
    positions = np.maximum(positions, -1 - positions)
    return np.minimum(positions, 2 * size - 1 - positions)

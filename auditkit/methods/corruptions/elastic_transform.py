"""Elastic transform: the picture is sheared and stretched, as if printed on rubber."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from torch import Tensor

from auditkit.methods.corruptions._arrays import array_of, tensor_like
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

    Parameters
    ----------
    images : Tensor
        (n, c, h, w) float32 in [0, 1].
    severity : int
        1 to 5.
    keys : ndarray
        (n,) one key per input.

    Returns
    -------
    Tensor
        (n, c, h, w) float32 in [0, 1].

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
    for i, key in enumerate(keys):
        rng = generator(key)
        shifts = rng.uniform(-affine, affine, size=(3, 2))
        moved[i] = _sheared(clean[i], shifts)
        if alpha > 0:
            waves = rng.random((2, height, width), dtype=np.float32) * 2 - 1
            waves = smoothed(waves, sigma, truncate=3, border="reflect") * np.float32(alpha)
            moved[i] = _waved(moved[i], waves)
    return tensor_like(images, np.clip(moved, 0, 1, out=moved))


def corners(height: int, width: int) -> Floats:
    """Return the three points (3, 2), each (x, y), that are moved: around the middle."""
    middle = np.array([width // 2, height // 2], dtype=np.float64)
    far = min(height, width) // 3
    return middle + far * np.array([[1, 1], [1, -1], [-1, -1]])


def _sheared(image: Floats, shifts: Floats) -> Floats:
    """Apply the affine map that moves `corners` by the shifts (3, 2)."""
    _, height, width = image.shape
    if min(height, width) < 3:
        return image
    before = corners(height, width)
    ones = np.ones((3, 1))
    # Rows of the map (3, 2) send (x, y, 1) after the move to (x, y) before it.
    back = np.linalg.solve(np.hstack([before + shifts, ones]), before)
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    x, y = (columns * back[0, j] + rows * back[1, j] + back[2, j] for j in (0, 1))
    return _read(image, y, x, _mirrored)


def _waved(image: Floats, waves: Floats) -> Floats:
    _, height, width = image.shape
    x = np.arange(width)[None, :] + waves[0].astype(np.float64)
    y = np.arange(height)[:, None] + waves[1].astype(np.float64)
    return _read(image, y, x, _reflected)


def _read(image: Floats, y: Floats, x: Floats, fold: _Fold) -> Floats:
    """Return the image (c, h, w) at positions (h, w), linearly interpolated."""
    _, height, width = image.shape
    flat = image.reshape(len(image), -1)
    top, left = np.floor(y), np.floor(x)
    down, right = (y - top).astype(np.float32), (x - left).astype(np.float32)
    top, left = top.astype(np.int32), left.astype(np.int32)
    rows = [fold(top + step, height) * np.int32(width) for step in (0, 1)]
    columns = [fold(left + step, width) for step in (0, 1)]
    upper = _between(flat.take(rows[0] + columns[0], 1), flat.take(rows[0] + columns[1], 1), right)
    lower = _between(flat.take(rows[1] + columns[0], 1), flat.take(rows[1] + columns[1], 1), right)
    return _between(upper, lower, down)


def _between(first: Floats, second: Floats, share: Floats) -> Floats:
    second -= first
    second *= share
    second += first
    return second


def _mirrored(positions: Ints, size: int) -> Ints:
    """Fold positions into the image: c b | a b c | b a."""
    if positions.min() >= 0 and positions.max() < size:
        return positions
    folded = positions % (2 * size - 2)
    return np.minimum(folded, 2 * size - 2 - folded)


def _reflected(positions: Ints, size: int) -> Ints:
    """Fold positions into the image: b a | a b c | c b."""
    if positions.min() >= 0 and positions.max() < size:
        return positions
    folded = positions % (2 * size)
    return np.minimum(folded, 2 * size - 1 - folded)

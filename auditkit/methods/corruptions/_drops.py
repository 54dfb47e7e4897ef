"""Light and shade on drops of water, as OpenCV's filters draw them in the published code."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from auditkit.types import Bools, Floats, Ints

_FAR = 20  # distances are cut here
_DIAGONAL, _KNIGHT = 1.4, 2.1969  # lengths of the steps (1, 1) and (2, 1) in OpenCV's distance
_WEAK, _STRONG = 50, 150  # gradients of an edge that continues and of one that begins
_TAN_22 = 13573  # tan(22.5 degrees) in units of 2**-15, as OpenCV rounds it
_TOUCHING = np.zeros((3, 3, 3))  # pixels that share a side or a corner, in one picture
_TOUCHING[1] = 1
_EMBOSS = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])


def relief(levels: Ints) -> Floats:
    """Return the relief (n, h, w) in 0 to 255 of drops.

    The distance to the nearest edge is cut at 20 pixels, smoothed, spread over all levels, embossed
    and smoothed again.

    Parameters
    ----------
    levels : ndarray
        (n, h, w) uint8, 0 where there is no water.
    """
    far = np.minimum(_distance(edges(levels)), np.float32(_FAR))
    depth = _box(far).astype(np.uint8)
    padded = _padded(np.stack([_equalised(one) for one in depth]).astype(np.float32))
    height, width = depth.shape[1:]
    lit = sum(
        weight * padded[:, row : row + height, column : column + width]
        for (row, column), weight in np.ndenumerate(_EMBOSS)
        if weight
    )
    return np.rint(_box(np.clip(lit, 0, 255)))


def _box(planes: Floats) -> Floats:
    """Average over 3 x 3 pixels; the border is mirrored without the last pixel."""
    padded = _padded(planes)
    rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return (rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]) / np.float32(9)


def _padded(planes: Floats) -> Floats:
    # One pixel has nothing to mirror.
    mode = "reflect" if min(planes.shape[1:]) > 1 else "edge"
    return np.pad(planes, ((0, 0), (1, 1), (1, 1)), mode=mode)


def edges(levels: Ints) -> Bools:
    """Return where Canny's detector sees an edge, (n, h, w)."""
    padded = np.pad(levels.astype(np.int16), ((0, 0), (1, 1), (1, 1)), mode="edge")
    across = padded[..., 2:] - padded[..., :-2]  # (n, h + 2, w)
    across = across[:, :-2] + 2 * across[:, 1:-1] + across[:, 2:]  # (n, h, w)
    down = padded[:, 2:] - padded[:, :-2]
    down = down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]
    seen = _ridges(across, down)
    groups = np.zeros(seen.shape, dtype=np.int32)
    n_groups = ndimage.label(seen, structure=_TOUCHING, output=groups)
    begun = np.zeros(int(n_groups) + 1, dtype=np.bool_)  # type: ignore[arg-type]
    begun[groups[seen & (np.abs(across) + np.abs(down) > _STRONG)]] = True
    begun[0] = False
    return begun[groups]


def _ridges(across: Ints, down: Ints) -> Bools:
    """Return where the gradient is above the weak threshold and largest along its direction."""
    strength = np.pad(np.abs(across) + np.abs(down), ((0, 0), (1, 1), (1, 1)))
    line = strength.ravel()
    where = np.flatnonzero(line > _WEAK)
    stride = strength.shape[2]
    here = line.take(where)
    x, y = (_framed(one).take(where).astype(np.int64) for one in (across, down))
    tangent, height = np.abs(x) * _TAN_22, np.abs(y) << 15
    flat, steep = height < tangent, height > tangent + (np.abs(x) << 16)
    lean = stride + np.where((x ^ y) < 0, -1, 1)
    step = np.where(flat, 1, np.where(steep, stride, lean))
    before, after = line.take(where - step), line.take(where + step)
    # Of two equal neighbours along a row or column the first is the edge.
    largest = (here > before) & ((here > after) | ((here == after) & (flat | steep)))
    ridge = np.zeros(line.shape, dtype=np.bool_)
    ridge[where[largest]] = True
    return ridge.reshape(strength.shape)[:, 1:-1, 1:-1]


def _framed(planes: Ints) -> Ints:
    return np.pad(planes, ((0, 0), (1, 1), (1, 1))).ravel()


def _distance(edge: Bools) -> Floats:
    """Return OpenCV's distance with a 5 x 5 mask to the nearest edge, (n, h, w); exact up to 20."""
    along = _along_rows(edge)
    nearest = _LENGTHS[0].take(along)
    for step in range(1, _FAR):
        if step >= edge.shape[1] or step >= nearest.max():
            break
        seen = _LENGTHS[step].take(along)
        np.minimum(nearest[:, step:], seen[:, :-step], out=nearest[:, step:])
        np.minimum(nearest[:, :-step], seen[:, step:], out=nearest[:, :-step])
    return nearest


def _along_rows(edge: Bools) -> Ints:
    """Return the distance to the nearest edge of the same row, at most 20."""
    width = edge.shape[2]
    where = np.arange(width, dtype=np.int32)
    before = np.maximum.accumulate(np.where(edge, where, np.int32(-_FAR)), axis=2)
    after = np.where(edge, where, np.int32(width + _FAR))[..., ::-1]
    after = np.minimum.accumulate(after, axis=2)[..., ::-1]
    return np.minimum(np.minimum(where - before, after - where), _FAR).astype(np.intp)


def _lengths() -> Floats:
    """Return the length of a step of (rows, columns), each from 0 to 20; columns of 20 are far."""
    rows, columns = np.mgrid[: _FAR + 1, : _FAR + 1]
    long, short = np.maximum(rows, columns), np.minimum(rows, columns)
    flat = (long - 2 * short) + _KNIGHT * short
    steep = (2 * short - long) * _DIAGONAL + (long - short) * _KNIGHT
    lengths = np.where(2 * short <= long, flat, steep)
    lengths[:, _FAR] = 2 * _FAR
    return lengths.astype(np.float32)


_LENGTHS = _lengths()


def _equalised(levels: Ints) -> Ints:
    """Spread levels (h, w) uint8 over 0 to 255 as OpenCV's `equalizeHist` does."""
    counts = np.bincount(levels.ravel(), minlength=256)
    first = int(np.flatnonzero(counts)[0])
    rest = levels.size - counts[first]
    if rest == 0:
        return levels
    table = np.zeros(256)
    table[first + 1 :] = np.cumsum(counts[first + 1 :]) * np.float32(255 / rest)
    return np.clip(np.rint(table), 0, 255).astype(np.uint8).take(levels)

"""Light and shade on drops of water, as OpenCV's filters draw them in the published code."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from auditkit.types import Bools, Floats, Ints

_FAR = 20  # distances are cut here
_DIAGONAL, _KNIGHT = 1.4, 2.1969  # lengths of the steps (1, 1) and (2, 1) in OpenCV's distance
_WEAK, _STRONG = 50, 150  # gradients of an edge that continues and of one that begins
_TAN_22 = 13573  # tan(22.5 degrees) in units of 2**-15, as OpenCV rounds it
_EMBOSS = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])


def relief(levels: Ints) -> Floats:
    """Return the relief (h, w) in 0 to 255 of drops.

    The distance to the nearest edge is cut at 20 pixels, smoothed, spread over all levels, embossed
    and smoothed again.

    Parameters
    ----------
    levels : ndarray
        (h, w) uint8, 0 where there is no water.
    """
    far = np.minimum(_distance(edges(levels)), np.float32(_FAR))
    depth = _box(far).astype(np.uint8)
    depth = _equalised(depth)
    lit = np.clip(ndimage.correlate(depth.astype(np.int16), _EMBOSS, mode="mirror"), 0, 255)
    return np.rint(_box(lit.astype(np.float32)))


def _box(planes: Floats) -> Floats:
    """Average over 3 x 3 pixels; the border is mirrored without the last pixel."""
    padded = _padded(planes)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / np.float32(9)


def _padded(planes: Floats) -> Floats:
    # One pixel has nothing to mirror.
    return np.pad(planes, 1, mode="reflect" if min(planes.shape) > 1 else "edge")


def edges(levels: Ints) -> Bools:
    """Return where Canny's detector sees an edge, (h, w)."""
    padded = np.pad(levels.astype(np.int32), 1, mode="edge")
    across = padded[:, 2:] - padded[:, :-2]  # (h + 2, w)
    across = across[:-2] + 2 * across[1:-1] + across[2:]  # (h, w)
    down = padded[2:] - padded[:-2]
    down = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
    seen = _ridges(across, down)
    groups = np.zeros(seen.shape, dtype=np.int32)
    n_groups = ndimage.label(seen, structure=np.ones((3, 3)), output=groups)
    begun = np.zeros(int(n_groups) + 1, dtype=np.bool_)  # type: ignore[arg-type]
    begun[groups[seen & (np.abs(across) + np.abs(down) > _STRONG)]] = True
    begun[0] = False
    return begun[groups]


def _ridges(across: Ints, down: Ints) -> Bools:
    """Return where the gradient is above the weak threshold and largest along its direction."""
    strength = np.abs(across) + np.abs(down)
    ridge = np.zeros(strength.shape, dtype=np.bool_)
    rows, columns = np.nonzero(strength > _WEAK)
    padded = np.pad(strength, 1)

    def near(row: Ints | int, column: Ints | int) -> Ints:
        return padded[rows + 1 + row, columns + 1 + column]

    x, y = across[rows, columns], down[rows, columns]
    here = near(0, 0)
    tangent = np.abs(x).astype(np.int64) * _TAN_22
    height = np.abs(y).astype(np.int64) << 15
    flat, steep = height < tangent, height > tangent + (np.abs(x).astype(np.int64) << 16)
    lean = np.where((x ^ y) < 0, -1, 1)
    along_row = (here > near(0, -1)) & (here >= near(0, 1))
    along_column = (here > near(-1, 0)) & (here >= near(1, 0))
    slanted = (here > near(-1, -lean)) & (here > near(1, lean))
    ridge[rows, columns] = np.where(flat, along_row, np.where(steep, along_column, slanted))
    return ridge


def _distance(edge: Bools) -> Floats:
    """Return OpenCV's distance with a 5 x 5 mask to the nearest edge, (h, w); exact up to 20."""
    along = _along_rows(edge)
    nearest = _LENGTHS[0].take(along)
    for step in range(1, _FAR):
        if step >= len(edge) or step >= nearest.max():
            break
        seen = _LENGTHS[step].take(along)
        np.minimum(nearest[step:], seen[:-step], out=nearest[step:])
        np.minimum(nearest[:-step], seen[step:], out=nearest[:-step])
    return nearest


def _along_rows(edge: Bools) -> Ints:
    """Return the distance to the nearest edge of the same row, at most 20."""
    width = edge.shape[1]
    where = np.arange(width, dtype=np.int32)
    before = np.maximum.accumulate(np.where(edge, where, -_FAR), axis=1)
    after = np.minimum.accumulate(np.where(edge, where, width + _FAR)[:, ::-1], axis=1)[:, ::-1]
    return np.minimum(np.minimum(where - before, after - where), _FAR)


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

"""Small sets of parts whose removal changes a decision.

Every answer is checked by removal. A *margin* is the logit of the class less that of the runner-up
without some of u parts; below 0 the decision has flipped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from auditkit.types import Bools, Floats, Ints

Margins: TypeAlias = Callable[[Bools], Floats]  # of removed parts (m, u), (m,)


def small_set(margins: Margins, candidates: Bools, most: int) -> Bools | None:
    """Return a set of parts (u,) whose removal flips the decision and that has no part to spare.

    Greedy: of all parts that are left, the one without which the margin is smallest goes next,
    until the decision flips. Then every part that is not needed is put back (`pruned`). Where one
    part flips the decision alone, it is found, and the set is a smallest one; else a smaller set,
    of other parts, may exist.

    Parameters
    ----------
    margins : callable
        Maps removed parts (m, u) to margins (m,).
    candidates : ndarray
        (u,) which parts may go.
    most : int
        Parts that may go, at most.

    References
    ----------
    Martens and Provost, 2014, MIS Quarterly 38(1), 73-99 (best first, then taking parts out).
    """
    removed = np.zeros_like(candidates)
    for _ in range(min(most, int(candidates.sum()))):
        left = np.flatnonzero(candidates & ~removed)
        found = margins(_changed(removed, left))
        removed[left[found.argmin()]] = True
        if found.min() < 0:
            return pruned(margins, removed)
    return None


def pruned(margins: Margins, removed: Bools) -> Bools:
    """Return a flipping set (u,) without the parts that it does not need.

    One at a time, the part is put back without which the margin stays smallest, as long as the
    decision stays flipped. Of what is left, no single part can be put back.
    """
    removed = removed.copy()
    while removed.sum() > 1:
        inside = np.flatnonzero(removed)
        found = margins(_changed(removed, inside))
        if found.min() >= 0:
            break
        removed[inside[found.argmin()]] = False
    return removed


def smallest_square(margins: Margins, rows: int, columns: int, most: int) -> Bools | None:
    """Return the smallest square of cells (rows * columns,) whose removal flips the decision.

    All positions of all sizes are tried, the smallest first; of equal ones, the smallest margin.

    Parameters
    ----------
    margins : callable
        Maps removed cells (m, rows * columns), numbered row by row, to margins (m,).
    rows, columns : int
        Cells of the image.
    most : int
        Cells of a square, at most.
    """
    for side in range(1, min(rows, columns, int(most**0.5)) + 1):
        removed = squares(rows, columns, side)
        found = margins(removed)
        if found.min() < 0:
            return removed[found.argmin()]
    return None


def squares(rows: int, columns: int, side: int) -> Bools:
    """Return every square of cells of one size, (m, rows * columns).

    Examples
    --------
    >>> squares(2, 3, 2).astype(int).tolist()
    [[1, 1, 0, 1, 1, 0], [0, 1, 1, 0, 1, 1]]
    """
    found = [
        (np.arange(rows) - i < side)[:, None]
        & (np.arange(rows) >= i)[:, None]
        & (np.arange(columns) - j < side)
        & (np.arange(columns) >= j)
        for i in range(rows - side + 1)
        for j in range(columns - side + 1)
    ]
    return np.stack(found).reshape(len(found), rows * columns)


def prefixes(orders: Ints, units: int, most: int) -> Bools:
    """Return the sets of the first 1, 2, ..., `most` parts of r orders, (r, most, units).

    A prefix of a random order is a random set of its size.

    Parameters
    ----------
    orders : ndarray
        (r, u') numbers of parts in the order of their removal, u' at least `most`.
    units : int
        Number of parts.
    most : int
        Size of the largest set.

    Examples
    --------
    >>> prefixes(np.array([[2, 0, 1]]), 3, 2).astype(int).tolist()
    [[[0, 0, 1], [1, 0, 1]]]
    """
    found = np.zeros((len(orders), most, units), dtype=np.bool_)
    for k in range(most):
        found[np.arange(len(orders)), k:, orders[:, k]] = True
    return found


def _changed(removed: Bools, parts: Ints) -> Bools:
    """Return copies of a set, (m, u), each with one of m parts put in, or taken out."""
    found = np.repeat(removed[None], len(parts), axis=0)
    found[np.arange(len(parts)), parts] ^= True
    return found

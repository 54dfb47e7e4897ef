"""Which input lends a part to another one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from auditkit.types import Bools, Floats, Ints


class Lent(NamedTuple):
    """Which donors lend a part to m inputs."""

    rows: Ints  # (m,) the inputs
    other: Ints  # (m,) donors of another class
    same: Ints  # (m,) donors of the same class


def lend(donors: Ints, predicted: Ints, rows: Ints, draws: Floats) -> Lent:
    """Return two donors for each of the inputs that have one of its class and one of another.

    Parameters
    ----------
    donors : ndarray
        (p,) class of each donor.
    predicted : ndarray
        (n,) class of each input.
    rows : ndarray
        Places of the inputs that are wanted.
    draws : ndarray
        (n, 2) in (0, 1): one picks the donor of another class, one that of the same.

    Examples
    --------
    >>> draws = np.array([[0.9, 0.9], [0.9, 0.1]])
    >>> lent = lend(np.array([0, 1, 1]), np.array([2, 1]), np.array([0, 1]), draws)
    >>> [some.tolist() for some in lent]
    [[1], [0], [1]]
    """
    lent: list[tuple[int, int, int]] = []
    for i in rows.tolist():
        alike = donors == predicted[i]
        if alike.any() and not alike.all():
            lent.append((i, _picked(~alike, draws[i, 0]), _picked(alike, draws[i, 1])))
    return Lent(*np.array(lent, dtype=np.int64).reshape(-1, 3).T)


def _picked(suited: Bools, draw: float) -> int:
    some = np.flatnonzero(suited)
    return int(some[int(draw * len(some))])

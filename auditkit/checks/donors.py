"""Which input lends a part to another one."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np

from auditkit.types import Bools, Floats, Ints


class Lent(NamedTuple):
    """Which donors lend a part to m inputs."""

    rows: Ints  # (m,) the inputs
    other: Ints  # (m,) donors of another class
    same: Ints  # (m,) donors of the same class


@final
class Donors:
    """Inputs by the class that a model predicts for them.

    Parameters
    ----------
    predicted : ndarray
        (p,) predicted class of each donor.

    Examples
    --------
    >>> donors, draws = Donors(np.array([0, 1, 1])), np.array([[0.9, 0.9], [0.9, 0.1]])
    >>> [some.tolist() for some in donors.lend(np.array([2, 1]), np.array([0, 1]), draws)]
    [[1], [0], [1]]
    """

    def __init__(self, predicted: Ints) -> None:
        self._predicted = predicted

    def lend(self, predicted: Ints, rows: Ints, draws: Floats) -> Lent:
        """Return two donors for each of the inputs that have both kinds.

        Parameters
        ----------
        predicted : ndarray
            (n,) class of each input.
        rows : ndarray
            Places of the inputs that are wanted.
        draws : ndarray
            (n, 2) in (0, 1): one picks the donor of another class, one that of the same.
        """
        both = np.array([i for i in rows if self._has_both(int(predicted[i]))], dtype=np.int64)
        other = [_picked(self._predicted != predicted[i], draws[i, 0]) for i in both]
        same = [_picked(self._predicted == predicted[i], draws[i, 1]) for i in both]
        return Lent(both, np.array(other, dtype=np.int64), np.array(same, dtype=np.int64))

    def _has_both(self, predicted: int) -> bool:
        alike = self._predicted == predicted
        return bool(alike.any() and not alike.all())


def _picked(suited: Bools, draw: float) -> int:
    some = np.flatnonzero(suited)
    return int(some[int(draw * len(some))])

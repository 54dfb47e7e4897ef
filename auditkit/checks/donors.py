"""Which input lends a part to another one."""

from __future__ import annotations

from typing import final

import numpy as np

from auditkit.types import Ints


@final
class Donors:
    """Inputs by the class that a model predicts for them.

    Parameters
    ----------
    predicted : ndarray
        (p,) predicted class of each donor.

    Examples
    --------
    >>> donors = Donors(np.array([0, 1, 1]))
    >>> donors.other(1, 0.9), donors.same(1, 0.9), donors.has_both(2)
    (0, 2, False)
    """

    def __init__(self, predicted: Ints) -> None:
        self._predicted = predicted

    def has_both(self, predicted: int) -> bool:
        """Return whether one has the class of an input, and one another class."""
        alike = self._predicted == predicted
        return bool(alike.any() and not alike.all())

    def other(self, predicted: int, draw: float) -> int:
        """Return the donor of another class that a draw in (0, 1) picks."""
        return _picked(np.flatnonzero(self._predicted != predicted), draw)

    def same(self, predicted: int, draw: float) -> int:
        """Return the donor of the same class that a draw in (0, 1) picks."""
        return _picked(np.flatnonzero(self._predicted == predicted), draw)


def _picked(some: Ints, draw: float) -> int:
    return int(some[int(draw * len(some))])

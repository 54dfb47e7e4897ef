"""Occlusion: how far the score of a class falls when one unit of the input is removed.

Zeiler and Fergus, 2014, arXiv:1311.2901, section 4.2; removing units one by one is also called
feature ablation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from auditkit.types import Bools, Floats

# The score (m,) of an input without the units removed (m, u).
Value: TypeAlias = Callable[[Bools], Floats]

_AT_ONCE = 1024  # units that are asked about, so that memory does not grow with their square


def occlusion(value: Value, units: int) -> Floats:
    """Return how much the score falls without each unit (u,).

    Parameters
    ----------
    value : callable
        Maps units removed (m, u) to scores (m,).
    units : int
        Number of units u.

    Examples
    --------
    >>> occlusion(lambda removed: (~removed) @ np.array([1.0, 2.0]), 2).tolist()
    [1.0, 2.0]
    """
    asked = np.arange(-1, units)  # the unit removed, none at first
    parts = np.split(asked, range(_AT_ONCE, len(asked), _AT_ONCE))
    scores = np.concatenate([value(np.arange(units) == some[:, None]) for some in parts])
    return scores[0] - scores[1:]

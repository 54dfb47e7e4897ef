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
    removed = np.concatenate([np.zeros((1, units), dtype=np.bool_), np.eye(units, dtype=np.bool_)])
    scores = value(removed)
    return scores[0] - scores[1:]

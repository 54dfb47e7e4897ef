"""Scores of sets of units whose fair shares are known."""

from __future__ import annotations

import numpy as np

from auditkit.types import Bools, Floats

VALUES = np.array([1.0, -2.0, 0.5, 0.0, 3.0])


def sum_game(removed: Bools) -> Floats:
    """Each unit adds its value."""
    return 0.7 + (~removed) @ VALUES


def glove_game(removed: Bools) -> Floats:
    """Unit 0 with unit 1 or unit 2 is worth 1; unit 3 does nothing."""
    there = ~removed
    return (there[:, 0] & (there[:, 1] | there[:, 2])).astype(np.float64)

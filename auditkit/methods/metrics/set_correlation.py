"""Faithfulness correlation: summed scores of removed units beside the fall of the class score.

Bhatt et al., 2020, arXiv:2005.00631, definition 2; there removed parts show a reference, too.
"""

from __future__ import annotations

import numpy as np

from auditkit.types import Bools, Floats


def set_correlation(scores: Floats, removed: Bools, falls: Floats) -> float:
    """Return Pearson's correlation of the summed scores of sets of units and their effect.

    NaN where one of the two does not vary, or is not finite.

    Parameters
    ----------
    scores : ndarray
        (u,) the score of each unit.
    removed : ndarray
        (m, u) which units each set holds.
    falls : ndarray
        (m,) how much the class score falls without the set.

    Examples
    --------
    >>> sets = np.array([[True, False], [False, True], [True, True]])
    >>> set_correlation(np.array([1.0, 2.0]), sets, np.array([2.0, 4.0, 6.0]))
    1.0
    """
    if not (np.isfinite(scores).all() and np.isfinite(falls).all()):
        return float("nan")
    summed = removed @ scores
    a, b = summed - summed.mean(), falls - falls.mean()
    size = np.sqrt((a @ a) * (b @ b))
    flat = np.ptp(summed) <= 1e-12 * np.abs(summed).max() or np.ptp(falls) == 0
    return float("nan") if flat or size == 0 else float(np.clip(a @ b / size, -1.0, 1.0))

"""Infidelity: how far summed scores miss the change that removing parts makes.

Yeh et al., 2019, arXiv:1901.09392, definition 2.1; the perturbation sets the parts of a random set
to the reference, and a score per part is its slope times its change.
"""

from __future__ import annotations

import numpy as np

from auditkit.types import Bools, Floats


def infidelity(scores: Floats, removed: Bools, falls: Floats) -> float:
    """Return the mean squared difference between the summed scores of sets and their effect.

    NaN where a score or an effect is not finite.

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
    >>> sets = np.array([[True, False], [True, True]])
    >>> infidelity(np.array([1.0, 2.0]), sets, np.array([1.0, 5.0]))
    2.0
    """
    if not (np.isfinite(scores).all() and np.isfinite(falls).all()):
        return float("nan")
    return float(np.square(removed @ scores - falls).mean())


def scaled_infidelity(scores: Floats, removed: Bools, falls: Floats) -> float:
    """Return the infidelity at the best scale of the scores, as a share of that of zeros.

    The scale is at least 0, as the paper's own comparison allows (section 5), so that maps in other
    units are not punished for them: 0 is perfect, 1 is no better than to say nothing. NaN where the
    effects are all zero, too.

    Examples
    --------
    >>> sets = np.array([[True, False], [True, True]])
    >>> scaled_infidelity(np.array([10.0, 20.0]), sets, np.array([1.0, 3.0]))
    0.0
    >>> scaled_infidelity(np.array([-1.0, -2.0]), sets, np.array([1.0, 3.0]))
    1.0
    """
    nothing = infidelity(np.zeros_like(scores, dtype=np.float64), removed, falls)
    summed = removed @ scores
    length = float(summed @ summed)
    if not (np.isfinite(length) and nothing > 0):
        return float("nan")
    scale = max(float(summed @ falls), 0.0) / length if length > 0 else 0.0
    return infidelity(scale * scores, removed, falls) / nothing

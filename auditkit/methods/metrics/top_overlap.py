"""Top-k intersection: how many of the leading parts of one map also lead another.

Ghorbani et al., 2019, arXiv:1710.10547, section 2.
"""

from __future__ import annotations

import numpy as np

from auditkit.types import Bools, Floats


def leading(scores: Floats, share: float) -> Bools:
    """Return which parts (u,) have the highest scores, a share of all and at least one.

    Equal scores at the cut: those that come first.

    Examples
    --------
    >>> leading(np.array([1.0, 3.0, 2.0, 0.0]), 0.5).tolist()
    [False, True, True, False]
    """
    found = np.zeros(len(scores), dtype=np.bool_)
    count = max(1, round(share * len(scores)))
    found[np.argsort(-scores, kind="stable")[:count]] = True
    return found


def top_overlap(first: Floats, second: Floats, share: float) -> float:
    """Return the share of the leading parts of one map (u,) that lead the other, too.

    By chance it is about `share`. NaN where one of the two is constant, empty or not finite.

    Examples
    --------
    >>> top_overlap(np.array([4.0, 3.0, 2.0, 1.0]), np.array([4.0, 1.0, 2.0, 3.0]), 0.5)
    0.5
    """
    for scores in (first, second):
        if not (len(scores) and np.isfinite(scores).all() and np.ptp(scores) > 0):
            return float("nan")
    both = leading(first, share) & leading(second, share)
    return float(both.sum() / leading(first, share).sum())

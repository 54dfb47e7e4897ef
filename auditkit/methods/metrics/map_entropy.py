"""Entropy of a map: whether a few parts of an input carry its scores, or all alike.

Bhatt et al., 2020, arXiv:2005.00631, definition 4 (complexity), here as a share of its maximum.
"""

from __future__ import annotations

import numpy as np

from auditkit.types import Floats


def map_entropy(scores: Floats) -> float:
    """Return the entropy of the absolute scores (u,), as a share of that of equal ones.

    0 where one part has them all, 1 where all parts are alike.

    NaN with fewer than two parts, or where the scores are all zero or not finite.

    Examples
    --------
    >>> map_entropy(np.array([1.0, -1.0, 0.0, 0.0]))
    0.5
    """
    sizes = np.abs(scores.astype(np.float64))
    if len(sizes) < 2 or not np.isfinite(sizes).all() or not sizes.any():
        return float("nan")
    shares = sizes[sizes > 0] / sizes.sum()
    return float(-(shares * np.log(shares)).sum() / np.log(len(sizes))) + 0.0

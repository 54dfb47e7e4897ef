"""Comprehensiveness and sufficiency: the answer without the highest scores, and from them alone.

DeYoung et al., 2020, arXiv:1911.03429, section 4.2.
"""

from __future__ import annotations

import numpy as np

from auditkit.methods.metrics.deletion import deletion_order
from auditkit.types import Bools, Floats

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)  # of the units, as in the paper


def rationales(scores: Floats, shares: tuple[float, ...] = SHARES) -> Bools:
    """Return the units (shares, u) with the highest scores, at least one each.

    Examples
    --------
    >>> rationales(np.array([1.0, 3.0, 2.0, 0.0]), (0.2, 0.5)).astype(int).tolist()
    [[0, 1, 0, 0], [0, 1, 1, 0]]
    """
    place = np.empty(len(scores), dtype=np.int64)
    place[deletion_order(scores)] = np.arange(len(scores))
    counts = np.ceil(np.array(shares) * len(scores) - 1e-9).astype(np.int64)
    return place[None, :] < np.maximum(counts, 1)[:, None]


def comprehensiveness(whole: float, without: Floats) -> float:
    """Return how far the probability falls without rationales, mean over their shares.

    Examples
    --------
    >>> comprehensiveness(0.75, np.array([0.5, 0.25]))
    0.375
    """
    return float(whole - without.mean())


def sufficiency(whole: float, alone: Floats) -> float:
    """Return how far the probability falls from rationales alone, mean over their shares.

    Examples
    --------
    >>> sufficiency(0.75, np.array([0.25, 0.75]))
    0.25
    """
    return float(whole - alone.mean())

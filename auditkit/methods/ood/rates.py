"""How many known inputs are flagged where most strange ones are, with an interval."""

from __future__ import annotations

import math

import numpy as np

from auditkit.statistics import LEVEL, Interval, clopper_pearson
from auditkit.types import Floats

RECALL = 0.95


def threshold(strange: Floats, *, recall: float = RECALL) -> float:
    """Return the highest threshold at which at least `recall` of the scores (m,) reach it.

    Examples
    --------
    >>> threshold(np.arange(20.0), recall=0.95)
    1.0
    """
    flagged = math.ceil(recall * len(strange) - 1e-9)
    return float(np.sort(strange)[len(strange) - flagged])


def false_positive_rate(known: Floats, strange: Floats, *, recall: float = RECALL) -> float:
    """Return the share of known inputs that reach the threshold which most strange ones reach.

    Strange inputs count as positive, and a higher score says strange: at the threshold, the true
    positive rate is at least `recall`.

    Parameters
    ----------
    known, strange : ndarray
        (n,) and (m,) scores; NaN if either is empty.
    recall : float
        In (0, 1].

    Examples
    --------
    >>> false_positive_rate(np.array([0.0, 1.0, 2.0, 3.0]), np.array([2.0, 4.0, 5.0]))
    0.5
    """
    if len(known) == 0 or len(strange) == 0:
        return math.nan
    return float(np.mean(known >= threshold(strange, recall=recall)))


def rate_interval(
    known: Floats, strange: Floats, *, recall: float = RECALL, level: float = LEVEL
) -> Interval:
    """Return the interval of the false positive rate, its threshold being estimated too.

    Half of the allowed error goes to the threshold, which lies between two of the strange scores
    whatever their distribution, and half to the share of known inputs beyond each of the two. Its
    coverage is at least `level`.

    Parameters
    ----------
    known, strange : ndarray
        (n,) and (m,) scores, independent, neither empty.
    recall : float
        In (0, 1].

    References
    ----------
    Conover, 1999, Practical Nonparametric Statistics, 3rd edition, section 3.2 (the threshold);
    Clopper and Pearson, 1934, Biometrika 26(4) (the share).
    """
    from scipy.stats import binom

    m, ordered = len(strange), np.sort(strange)
    below, part = 1 - recall, 1 - (1 - level) / 2  # share below the threshold; level of each part
    tail = (1 - part) / 2
    first = int(binom.ppf(tail, m, below))  # P(fewer than `first` below) <= tail
    last = int(binom.ppf(1 - tail, m, below)) + 1
    lowest = ordered[first - 1] if first >= 1 else -np.inf
    highest = ordered[last - 1] if last <= m else np.inf
    most, least = (int(np.count_nonzero(known >= one)) for one in (lowest, highest))
    return Interval(
        clopper_pearson(least, len(known), level=part).low,
        clopper_pearson(most, len(known), level=part).high,
    )

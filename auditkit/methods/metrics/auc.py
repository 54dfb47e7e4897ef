"""Area under the receiver operating characteristic: how often a score tells two groups apart."""

from __future__ import annotations

import math

import numpy as np

from auditkit.statistics import LEVEL, Interval, normal_quantile
from auditkit.types import Bools, Floats

_NEAR = 1e-9  # 0 and 1 themselves never contradict anything: the ends are looked for beside them


def auc(scores: Floats, positive: Bools) -> float:
    """Return how often a positive input has a higher score than another one; ties count a half.

    Parameters
    ----------
    scores, positive : ndarray
        (n,) each; NaN if there are no positive or no other inputs.

    Examples
    --------
    >>> auc(np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, False, True, True]))
    0.875
    """
    from scipy.stats import rankdata

    m = int(np.count_nonzero(positive))
    n = len(positive) - m
    if m == 0 or n == 0:
        return math.nan
    return float((rankdata(scores)[positive].sum() - m * (m + 1) / 2) / (m * n))


def auc_interval(value: float, m: int, n: int, *, level: float = LEVEL) -> Interval:
    """Return the interval of an area from m positive and n other inputs.

    All areas that the observed one does not contradict, by the variance of Hanley and McNeil at
    that area (Newcombe's method 5): it keeps its width where the two groups do not overlap.

    References
    ----------
    Newcombe, 2006, Statistics in Medicine 25, 559-573.

    Examples
    --------
    >>> low, high = auc_interval(1.0, 20, 20)
    >>> high == 1.0 and 0.8 < low < 0.95
    True
    """
    from scipy.optimize import brentq

    z = normal_quantile(0.5 + level / 2)
    size = (m + n) / 2 - 1

    def beyond(theta: float) -> float:
        shape = 1 + size * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return (value - theta) ** 2 - z * z * theta * (1 - theta) * shape / (m * n)

    low = 0.0 if value <= 0 else float(brentq(beyond, 0.0, min(value, 1 - _NEAR)))  # pyright: ignore[reportArgumentType]
    high = 1.0 if value >= 1 else float(brentq(beyond, max(value, _NEAR), 1.0))  # pyright: ignore[reportArgumentType]
    return Interval(low, high)


def auc_within(
    scores: Floats, positive: Bools, strata: np.ndarray, *, level: float = LEVEL
) -> tuple[float, Interval]:
    """Return the area over pairs of the same stratum, with its interval.

    Each stratum counts by its pairs; their intervals are put together by square-and-add. NaN where
    no stratum has both kinds of inputs.

    Parameters
    ----------
    scores, positive, strata : ndarray
        (n,) each.

    References
    ----------
    Zou and Donner, 2008, Statistics in Medicine 27, 1693-1702 (putting intervals together).
    """
    values: list[float] = []
    ends: list[Interval] = []
    pairs: list[int] = []
    for one in np.unique(strata):
        here = strata == one
        m = int(np.count_nonzero(positive[here]))
        n = int(np.count_nonzero(here)) - m
        if m and n:
            values.append(auc(scores[here], positive[here]))
            ends.append(auc_interval(values[-1], m, n, level=level))
            pairs.append(m * n)
    if not pairs:
        return math.nan, Interval(math.nan, math.nan)
    weights = np.array(pairs) / sum(pairs)
    value = float(weights @ np.array(values))
    below = weights * (np.array(values) - np.array([low for low, _ in ends]))
    above = weights * (np.array([high for _, high in ends]) - np.array(values))
    return value, Interval(value - math.hypot(*below), value + math.hypot(*above))

"""Accuracy on a population in which one column is distributed otherwise."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from auditkit.statistics import Interval, clopper_pearson, normal_quantile
from auditkit.types import Bools, Floats, Ints


class Moved(NamedTuple):
    """What a move of the population does."""

    drop: float  # accuracy lost
    interval: Interval
    effective: float  # inputs that carry as much information with equal weights


def tilted(values: Floats, by: float) -> Floats:
    """Return weights (n,) of mean 1 that move the mean of a column by `by` standard deviations.

    The weights are exponential in the column, which changes its distribution the least. The mean
    is moved as far as the values allow.

    Parameters
    ----------
    values : ndarray
        (n,) finite.
    by : float
        Signed.

    Examples
    --------
    >>> values = np.arange(10.0)
    >>> weights = tilted(values, 0.5)
    >>> round(float((weights * values).mean() - 4.5) / values.std(), 6)
    0.5
    """
    from scipy.optimize import brentq

    spread = values.std()
    if spread == 0:
        return np.ones(len(values))
    z = (values - values.mean()) / spread

    def excess(slope: float) -> float:
        weights = np.exp(slope * z - np.max(slope * z))
        return float(weights @ z / weights.sum()) - by

    if not (excess(-_STEEP) < 0 < excess(_STEEP)):
        return np.ones(len(values))
    slope = float(brentq(excess, -_STEEP, _STEEP))  # pyright: ignore[reportArgumentType]
    weights = np.exp(slope * z - np.max(slope * z))
    return weights / weights.mean()


_STEEP = 20.0


def evened(categories: Ints) -> Floats:
    """Return weights (n,) of mean 1 that move the shares of categories halfway to equal ones."""
    _, where, counts = np.unique(categories, return_inverse=True, return_counts=True)
    shares = counts / counts.sum()
    return ((shares + 1 / len(counts)) / 2 / shares)[where]


def drop_under(correct: Bools, weights: Floats, *, level: float) -> Moved:
    """Return the accuracy lost where inputs (n,) count by weights (n,) of mean 1.

    The interval is normal, its variance that of the linearised ratio, in which every input stands
    against itself; where all inputs are alike, it holds what n inputs may have missed.

    References
    ----------
    Owen, 2013, Monte Carlo theory, methods and examples, section 9.2 (self-normalised weights).
    """
    n, right = len(correct), correct.astype(np.float64)
    before, after = right.mean(), (weights * right).mean()
    effective = float(n * n / np.sum(weights**2))
    influence = (right - before) - weights * (right - after)
    error = float(influence.std(ddof=1)) / math.sqrt(n) if n > 1 else 1.0
    half = normal_quantile(0.5 + level / 2) * error
    if right.min() == right.max():
        half = min(1.0, clopper_pearson(0, n, level=level).high * float(np.abs(weights - 1).max()))
    drop = float(before - after)
    return Moved(drop, Interval(max(-1.0, drop - half), min(1.0, drop + half)), effective)

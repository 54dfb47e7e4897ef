"""Intervals, tests and corrections behind every finding and verdict; numpy and scipy only."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import betainc, betaincinv, erf, erfinv

from auditkit.types import Bools, Floats, Ints

LEVEL = 0.95


class Interval(NamedTuple):
    """A two-sided confidence interval."""

    low: float
    high: float


def clopper_pearson(count: int, n: int, *, level: float = LEVEL) -> Interval:
    """Return the exact interval of a share; its coverage is at least `level`.

    Parameters
    ----------
    count : int
        Successes, 0 to `n`.
    n : int
        Independent trials, at least 1.
    level : float
        Two-sided confidence level in (0, 1).

    References
    ----------
    Clopper and Pearson, 1934, Biometrika 26(4).

    Examples
    --------
    >>> [round(x, 4) for x in clopper_pearson(8, 10)]
    [0.4439, 0.9748]
    """
    if not 0 <= count <= n or n < 1:
        raise ValueError(f"a share of {count} in {n} is undefined")
    tail = (1 - level) / 2
    low = 0.0 if count == 0 else float(betaincinv(count, n - count + 1, tail))
    high = 1.0 if count == n else float(betaincinv(count + 1, n - count, 1 - tail))
    return Interval(low, high)


def binomial_p_below(count: int, n: int, share: float) -> float:
    """Return P(X <= count) under Binomial(n, share): how surprising so few successes are."""
    if count >= n:
        return 1.0
    return float(betainc(n - count, count + 1, 1 - share))


def binomial_p_above(count: int, n: int, share: float) -> float:
    """Return P(X >= count) under Binomial(n, share): how surprising so many successes are."""
    if count <= 0:
        return 1.0
    return float(betainc(count, n - count + 1, share))


def normal_quantile(p: float) -> float:
    """Return z with P(Z <= z) = p for a standard normal Z."""
    return float(math.sqrt(2) * erfinv(2 * p - 1))


def normal_tail(z: float) -> float:
    """Return P(Z >= z) for a standard normal Z."""
    return float(0.5 * (1 - erf(z / math.sqrt(2))))


def wilson(count: int, n: int, *, level: float = LEVEL) -> Interval:
    """Return Wilson's score interval of a share (Wilson, 1927, JASA 22)."""
    z = normal_quantile(0.5 + level / 2)
    share = count / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


def newcombe_paired(
    both: int, first: int, second: int, neither: int, *, level: float = LEVEL
) -> Interval:
    """Return the interval of share one minus share two on the same inputs.

    Parameters
    ----------
    both, first, second, neither : int
        Inputs on which both, only the first, only the second, or neither succeeded.

    References
    ----------
    Newcombe, 1998, Statistics in Medicine 17, 2635-2650, method 10.
    """
    n = both + first + second + neither
    p1, p2 = (both + first) / n, (both + second) / n
    l1, u1 = wilson(both + first, n, level=level)
    l2, u2 = wilson(both + second, n, level=level)
    product = (both + first) * (second + neither) * (both + second) * (first + neither)
    phi = 0.0
    if product > 0:
        numerator = both * neither - first * second
        if numerator > n / 2:
            numerator -= n / 2
        elif numerator >= 0:
            numerator = 0.0
        phi = numerator / math.sqrt(product)
    a, b, c, d = p1 - l1, u2 - p2, u1 - p1, p2 - l2
    low = math.sqrt(max(0.0, a * a - 2 * phi * a * b + b * b))
    high = math.sqrt(max(0.0, c * c - 2 * phi * c * d + d * d))
    return Interval(max(-1.0, p1 - p2 - low), min(1.0, p1 - p2 + high))


def bootstrap(
    statistic: Callable[[Ints], Floats],
    n: int,
    *,
    seed: int,
    level: float = LEVEL,
    replicates: int = 2000,
    strata: Ints | None = None,
) -> Interval:
    """Return the percentile bootstrap interval of a statistic of n independent inputs.

    Parameters
    ----------
    statistic : callable
        Maps drawn rows (r, n) to one value per replicate (r,). Rows that give NaN are left out.
    n : int
        Number of independent inputs.
    seed : int
        Seed of the draws.
    strata : ndarray, optional
        A group per input (n,); each replicate keeps the group sizes.

    Raises
    ------
    ValueError
        If more than one replicate in ten is undefined.

    References
    ----------
    Efron and Tibshirani, 1993, An Introduction to the Bootstrap, chapter 13.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    values = [
        statistic(_resampled(rng, n, min(250, replicates - start), strata))
        for start in range(0, replicates, 250)  # in pieces: memory does not grow with replicates
    ]
    drawn = np.concatenate(values)
    usable = drawn[~np.isnan(drawn)]
    if len(usable) < 0.9 * len(drawn):
        raise ValueError("the statistic is undefined on more than a tenth of the replicates")
    low, high = np.quantile(usable, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def bootstrap_mean(values: Floats, *, seed: int, level: float = LEVEL) -> Interval:
    """Return the percentile bootstrap interval of a mean of independent values (n,)."""
    return bootstrap(lambda rows: values[rows].mean(axis=1), len(values), seed=seed, level=level)


def _resampled(rng: np.random.Generator, n: int, rows: int, strata: Ints | None) -> Ints:
    if strata is None:
        return rng.integers(0, n, size=(rows, n))
    drawn = np.empty((rows, n), dtype=np.int64)
    for group in np.unique(strata):
        members = np.flatnonzero(strata == group)
        drawn[:, members] = members[rng.integers(0, len(members), size=(rows, len(members)))]
    return drawn


def permutation_p(
    statistic: Callable[[Ints], float], groups: Ints, *, seed: int, permutations: int = 2000
) -> float:
    """Return p = (1 + number of permutations at least as extreme) / (1 + permutations).

    Parameters
    ----------
    statistic : callable
        Maps group labels (n,) to a number, larger meaning further from "no difference".
    groups : ndarray
        Observed group of each input (n,).
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    observed = statistic(groups)
    hits = sum(statistic(rng.permutation(groups)) >= observed - 1e-12 for _ in range(permutations))
    return (1 + hits) / (1 + permutations)


def holm(p_values: list[float], *, alpha: float) -> list[bool]:
    """Return which hypotheses are rejected at family-wise level `alpha`.

    References
    ----------
    Holm, 1979, Scandinavian Journal of Statistics 6.

    Examples
    --------
    >>> holm([0.001, 0.04, 0.03], alpha=0.05)
    [True, False, False]
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    rejected = [False] * len(p_values)
    for rank, i in enumerate(order):
        if p_values[i] > alpha / (len(p_values) - rank):
            break
        rejected[i] = True
    return rejected


def n_needed_for_share(share: float, limit: float, n: int, *, level: float = LEVEL) -> int | None:
    """Return the smallest n at which the interval of `share` would exclude `limit`.

    An extrapolation: it supposes that the share stays what it is. None above one million.
    """
    cap = 1_000_000

    def decided(size: int) -> bool:
        low, high = clopper_pearson(round(share * size), size, level=level)
        return not low <= limit <= high

    size = n
    while not decided(size):
        size *= 2
        if size > cap:
            return None
    low, high = size // 2, size
    while high - low > max(1, high // 100):
        middle = (low + high) // 2
        low, high = (low, middle) if decided(middle) else (middle, high)
    return high


def n_needed_for_mean(value: float, low: float, high: float, limit: float, n: int) -> int | None:
    """Return the n at which an interval shrinking like one over root n would exclude `limit`.

    An extrapolation. None above one million.
    """
    distance = abs(value - limit)
    if distance == 0:
        return None
    half = (high - value) if limit > value else (value - low)
    needed = math.ceil(n * (half / distance) ** 2)
    return needed if needed <= 1_000_000 else None


def shares_of(hits: Bools, rows: Ints) -> Floats:
    """Return the share of hits (n,) in each drawn row (r, n) -> (r,)."""
    return hits[rows].mean(axis=1)

"""Intervals, tests and corrections behind every finding and verdict; numpy and scipy only."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import betainc, betaincinv, erfc, ndtri, stdtrit

from auditkit.types import Bools, Floats, Ints

LEVEL = 0.95


class Interval(NamedTuple):
    """A two-sided confidence interval."""

    low: float
    high: float


class PairedGap(NamedTuple):
    """The largest difference of two columns, and an interval of the truly largest one."""

    value: float
    interval: Interval
    highest: int  # column
    lowest: int
    n: int  # rows of the two columns
    pairs: int  # that were compared


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


def mcnemar_p(lost: int, gained: int) -> float:
    """Return the exact two-sided p-value of "an input is as likely lost as gained".

    Parameters
    ----------
    lost, gained : int
        Inputs that succeeded only the first, and only the second time.

    References
    ----------
    McNemar, 1947, Psychometrika 12, 153-157, with the binomial distribution in place of chi-square.

    Examples
    --------
    >>> mcnemar_p(0, 5), mcnemar_p(0, 0)
    (0.0625, 1.0)
    """
    n = lost + gained
    return 1.0 if n == 0 else min(1.0, 2 * binomial_p_below(min(lost, gained), n, 0.5))


def normal_quantile(p: float) -> float:
    """Return z with P(Z <= z) = p for a standard normal Z."""
    return float(ndtri(p))


def normal_tail(z: float) -> float:
    """Return P(Z >= z) for a standard normal Z."""
    return float(0.5 * erfc(z / math.sqrt(2)))


def wilson(count: int, n: int, *, level: float = LEVEL) -> Interval:
    """Return Wilson's score interval of a share (Wilson, 1927, JASA 22)."""
    if not 0 <= count <= n or n < 1:
        raise ValueError(f"a share of {count} in {n} is undefined")
    z = normal_quantile(0.5 + level / 2)
    share = count / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # Exact ends: rounding must not push the share itself out of its interval.
    low = 0.0 if count == 0 else centre - half
    high = 1.0 if count == n else centre + half
    return Interval(low, high)


def newcombe(count1: int, n1: int, count2: int, n2: int, *, level: float = LEVEL) -> Interval:
    """Return the interval of share one minus share two of two independent groups.

    Parameters
    ----------
    count1, count2 : int
        Successes in each group.
    n1, n2 : int
        Inputs in each group, at least 1.

    References
    ----------
    Newcombe, 1998, Statistics in Medicine 17, 873-890, method 10.

    Examples
    --------
    >>> [round(x, 4) for x in newcombe(56, 70, 48, 80)]
    [0.0524, 0.3339]
    """
    p1, p2 = count1 / n1, count2 / n2
    l1, u1 = wilson(count1, n1, level=level)
    l2, u2 = wilson(count2, n2, level=level)
    low = p1 - p2 - math.hypot(p1 - l1, u2 - p2)
    high = p1 - p2 + math.hypot(u1 - p1, p2 - l2)
    return Interval(max(-1.0, low), min(1.0, high))


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


def paired_difference(
    first: Bools, second: Bools, *, level: float = LEVEL
) -> tuple[float, Interval]:
    """Return share one minus share two on the same inputs, with Newcombe's paired interval.

    Parameters
    ----------
    first, second : ndarray
        (n,) whether each input succeeded the first and the second time, n at least 1.
    """
    counts = first & second, first & ~second, ~first & second, ~first & ~second
    both, gained, lost, neither = (int(np.count_nonzero(one)) for one in counts)
    interval = newcombe_paired(both, gained, lost, neither, level=level)
    return (gained - lost) / len(first), interval


def mean_of_shares(counts: Ints, totals: Ints, *, level: float = LEVEL) -> Interval:
    """Return the interval of the unweighted mean of independent shares.

    A normal interval whose variance counts two more successes and two more failures in each group,
    so that it keeps its width where every share is 0 or 1, which a bootstrap does not.

    Parameters
    ----------
    counts, totals : ndarray
        Successes and inputs of each group (g,); every total at least 1.

    References
    ----------
    Agresti and Coull, 1998, The American Statistician 52, 119-126 (the added counts).

    Examples
    --------
    >>> [round(x, 3) for x in mean_of_shares(np.array([10, 10]), np.array([10, 10]))]
    [0.847, 1.0]
    """
    mean = float((counts / totals).mean())
    moved = (counts + 2) / (totals + 4)
    error = math.sqrt(float((moved * (1 - moved) / totals).sum())) / len(counts)
    half = normal_quantile(0.5 + level / 2) * error
    return Interval(max(0.0, mean - half), min(1.0, mean + half))


def bounded_mean(
    values: Floats, *, seed: int, level: float = LEVEL, low: float = 0.0, high: float = 1.0
) -> tuple[float, Interval, str]:
    """Return the mean of values (n,) in [low, high], its interval, and the interval's name.

    Where every input has the same value v, drawing shows no spread; then the share of inputs that
    differ from v is below Clopper-Pearson's bound u for none in n, and the mean lies in
    [v - u (v - low), v + u (high - v)].
    """
    value = float(values.mean())
    if np.ptp(values) > 0:
        return value, bootstrap_mean(values, seed=seed, level=level), "bootstrap"
    unseen = clopper_pearson(0, len(values), level=level).high
    interval = Interval(value - unseen * (value - low), value + unseen * (high - value))
    name = "clopper-pearson" if (low, high) == (0, 1) else "clopper-pearson-scaled"  # no share
    return value, interval, name


def weighted_share(
    counts: Ints, totals: Ints, weights: Floats, *, level: float = LEVEL
) -> Interval:
    """Return the interval of a sum of weights times shares of independent groups.

    Wilson intervals of the shares, combined by square-and-add; the weights are known.

    Parameters
    ----------
    counts, totals : ndarray
        Successes and inputs of each group (g,), every total at least 1.
    weights : ndarray
        (g,) not negative, with a sum of 1.

    References
    ----------
    Zou and Donner, 2008, Statistics in Medicine 27, 1693-1702.

    Examples
    --------
    >>> one = weighted_share(np.array([9]), np.array([10]), np.array([1.0]))
    >>> one == wilson(9, 10)
    True
    """
    shares = counts / totals
    cells = zip(counts.tolist(), totals.tolist(), strict=True)
    lows, highs = np.array([wilson(count, total, level=level) for count, total in cells]).T
    return _square_and_add(shares, lows, highs, weights)


def weighted_mean(
    means: Floats, errors: Floats, weights: Floats, *, level: float = LEVEL
) -> Interval:
    """Return the interval of a sum of weights times means of independent groups.

    Normal limits of the means, combined by square-and-add; the weights are known.

    Parameters
    ----------
    means, errors : ndarray
        (g,) means of values between 0 and 1, and their standard errors; see `standard_errors`.
    weights : ndarray
        (g,) not negative, with a sum of 1.
    """
    return _square_and_add(means, *mean_limits(means, errors, level=level), weights)


def _square_and_add(values: Floats, lows: Floats, highs: Floats, weights: Floats) -> Interval:
    value = float(weights @ values)
    below, above = (math.sqrt(float((weights**2) @ (end - values) ** 2)) for end in (lows, highs))
    return Interval(max(0.0, value - below), min(1.0, value + above))


def mean_minus_share(values: Floats, hits: Bools, *, level: float = LEVEL) -> Interval:
    """Return the interval of a mean minus a share, both of the same inputs.

    A normal interval of the mean and Wilson's of the share, combined by square-and-add with their
    correlation. Unlike a bootstrap it keeps its width where every input is a hit.

    Parameters
    ----------
    values : ndarray
        (n,) numbers.
    hits : ndarray
        (n,) bool.

    References
    ----------
    Zou, 2007, Psychological Methods 12, 399-413, equation 15.
    """
    n, mean, share = len(values), float(values.mean()), float(hits.mean())
    spread = float(values.std())
    half = normal_quantile(0.5 + level / 2) * spread / math.sqrt(n)
    low, high = wilson(int(hits.sum()), n, level=level)
    together = float(((values - mean) * (hits - share)).mean())
    product = spread * math.sqrt(share * (1 - share))
    rho = max(-1.0, min(1.0, together / product)) if product > 0 else 0.0

    def added(a: float, b: float) -> float:
        return math.sqrt(max(0.0, a * a + b * b - 2 * rho * a * b))

    difference = mean - share
    return Interval(difference - added(half, high - share), difference + added(half, share - low))


def gap_of_shares(
    counts: Ints, totals: Ints, *, level: float = LEVEL, families: int = 1
) -> Interval:
    """Return the interval of the largest minus the smallest share of independent groups.

    Two groups: Newcombe's interval, folded at zero. More: differences of Clopper-Pearson limits,
    with coverage at least nominal. The low end belongs to whichever groups came out as extremes, so
    all groups' limits must hold at once (Bonferroni). The high end need not pay for that: the truly
    extreme groups are fixed, whatever was observed. A percentile bootstrap of a maximum minus a
    minimum would never reach zero.

    Parameters
    ----------
    counts, totals : ndarray
        Successes and inputs of each group (g,), at least two groups, every total at least 1.
    families : int
        Gaps of which only the widest is reported. The largest of their low and the largest of their
        high ends then make an interval of the widest true gap; the argument above holds for them
        as well.

    Examples
    --------
    >>> low, high = gap_of_shares(np.array([40, 40, 10]), np.array([50, 50, 50]))
    >>> low > 0.2
    True
    """
    groups, alpha = len(counts), 1 - level
    if groups < 2:
        raise ValueError(f"a gap needs at least two groups, got {groups}")
    if groups == 2:
        order = np.argsort(-(counts / totals), kind="stable")
        (count1, count2), (n1, n2) = counts[order].tolist(), totals[order].tolist()
        low, _ = newcombe(count1, n1, count2, n2, level=1 - alpha / families)
        below, high = newcombe(count1, n1, count2, n2, level=level)
        return Interval(max(0.0, low), max(high, -below))
    # Half of alpha for each end; at the low end over all 2 g limits, at the high end over two.
    lows, highs = _exact_limits(counts, totals, 1 - alpha / (2 * groups * families))
    wide_lows, wide_highs = _exact_limits(counts, totals, 1 - alpha / 2)
    reach = wide_highs[:, None] - wide_lows[None, :]
    np.fill_diagonal(reach, 0.0)  # a group is no gap to itself
    return Interval(max(0.0, float(lows.max() - highs.min())), float(reach.max()))


def ratio_of_shares(counts: Ints, totals: Ints, *, level: float = LEVEL) -> Interval:
    """Return the interval of the smallest over the largest share of independent groups.

    Two groups: Wilson limits put together by square-and-add on the logarithms, folded at one. More:
    quotients of Clopper-Pearson limits that hold together, as in `gap_of_shares`.

    Parameters
    ----------
    counts, totals : ndarray
        Successes and inputs of each group (g,), at least two groups, every total at least 1, and
        one success somewhere: nothing over nothing is undefined.

    References
    ----------
    Zou and Donner, 2008, Statistics in Medicine 27, 1693-1702.

    Examples
    --------
    >>> low, high = ratio_of_shares(np.array([60, 30]), np.array([100, 100]))
    >>> round(low, 3), round(high, 3)
    (0.354, 0.695)
    """
    groups, alpha = len(counts), 1 - level
    if groups < 2 or not counts.any():
        raise ValueError("a ratio needs two groups and one success")
    if groups == 2:
        (small, n1), (large, n2) = sorted(
            zip(counts.tolist(), totals.tolist(), strict=True), key=lambda cell: cell[0] / cell[1]
        )
        low, high = _quotient(small, n1, large, n2, level)
        return Interval(min(low, 1 / high), 1.0) if high > 1 else Interval(low, high)
    lows, highs = _exact_limits(counts, totals, 1 - alpha / (2 * groups))
    wide_lows, wide_highs = _exact_limits(counts, totals, 1 - alpha / 2)
    reach = wide_lows[:, None] / wide_highs[None, :]
    np.fill_diagonal(reach, 1.0)  # a group equals itself
    top = float(lows.max())
    return Interval(float(reach.min()), min(1.0, float(highs.min()) / top) if top > 0 else 1.0)


def _quotient(count1: int, n1: int, count2: int, n2: int, level: float) -> Interval:
    """Return the interval of share one over share two, of which the second is above zero."""
    p1, p2 = count1 / n1, count2 / n2
    l1, u1 = wilson(count1, n1, level=level)
    l2, u2 = wilson(count2, n2, level=level)
    if count1 == 0:
        return Interval(0.0, u1 / l2)
    down = math.hypot(math.log(p1 / l1), math.log(u2 / p2))
    up = math.hypot(math.log(u1 / p1), math.log(p2 / l2))
    return Interval(p1 / p2 * math.exp(-down), p1 / p2 * math.exp(up))


def lowest_share(counts: Ints, totals: Ints, *, level: float = LEVEL) -> Interval:
    """Return the interval of the lowest of several shares, its coverage at least `level`.

    The high end belongs to whichever cell came out lowest, so all cells' limits must hold at once
    (Bonferroni); the truly lowest cell is fixed, so the low end need not pay for that.

    Parameters
    ----------
    counts, totals : ndarray
        Successes and inputs of each cell (c,), at least one cell, every total at least 1.

    Examples
    --------
    >>> low, high = lowest_share(np.array([90, 50]), np.array([100, 100]))
    >>> round(low, 3), round(high, 3)
    (0.398, 0.615)
    """
    lows, _ = _exact_limits(counts, totals, level)
    _, highs = _exact_limits(counts, totals, 1 - (1 - level) / len(counts))
    return Interval(float(lows.min()), float(highs.min()))


def mean_limits(means: Floats, errors: Floats, *, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Return normal limits of means of values between 0 and 1, each (g,).

    Parameters
    ----------
    means, errors : ndarray
        (g,) means and their standard errors; see `standard_errors`.
    """
    half = normal_quantile(0.5 + level / 2) * errors
    return np.maximum(0.0, means - half), np.minimum(1.0, means + half)


def standard_errors(totals: Ints, means: Floats, squares: Floats) -> Floats:
    """Return standard errors of means of values between 0 and 1, each from one more 0 and one 1.

    The added values keep an interval its width where all values of a group are alike.

    Parameters
    ----------
    totals, means, squares : ndarray
        (g,) how many values, their mean, and the mean of their squares.
    """
    n = totals + 2
    centre = (totals * means + 1) / n
    variance = (totals * squares + 1) / n - centre**2
    return np.sqrt(np.maximum(variance, 0.0) / totals)


def gap_of_bounded_means(means: Floats, errors: Floats, *, level: float = LEVEL) -> Interval:
    """Return the interval of the largest minus the smallest mean of independent groups.

    For values between 0 and 1, of which sums alone are known; see `gap_of_means`. As
    `gap_of_shares`: two groups by square-and-add, folded at zero; more by limits that hold
    together.

    Parameters
    ----------
    means, errors : ndarray
        (g,) means of values between 0 and 1, and their standard errors; at least two groups.
    """
    groups, alpha = len(means), 1 - level
    if groups < 2:
        raise ValueError(f"a gap needs at least two groups, got {groups}")
    if groups == 2:
        gap, half = float(np.ptp(means)), normal_quantile(1 - alpha / 2) * math.hypot(*errors)
        return Interval(max(0.0, gap - half), min(1.0, gap + half))
    lows, highs = mean_limits(means, errors, level=1 - alpha / (2 * groups))
    wide_lows, wide_highs = mean_limits(means, errors, level=1 - alpha / 2)
    reach = wide_highs[:, None] - wide_lows[None, :]
    np.fill_diagonal(reach, 0.0)
    return Interval(max(0.0, float(lows.max() - highs.min())), float(reach.max()))


def gap_of_differences(tables: Ints, *, level: float = LEVEL) -> Interval:
    """Return the interval of the largest minus the smallest paired difference of groups.

    A group's difference is the share of its inputs that succeed first minus the share that succeed
    second, on the same inputs. Two groups: the two paired intervals put together as Newcombe does,
    folded at zero. More: differences of their limits, as in `gap_of_shares`.

    Parameters
    ----------
    tables : ndarray
        (g, 4), per group the inputs on which both, only the first, only the second, or neither
        succeeded; at least two groups, none empty.

    References
    ----------
    Zou and Donner, 2008, Statistics in Medicine 27, 1693-1702 (putting intervals together).
    """
    groups, alpha = len(tables), 1 - level
    if groups < 2:
        raise ValueError(f"a gap needs at least two groups, got {groups}")
    differences = (tables[:, 1] - tables[:, 2]) / tables.sum(axis=1)
    if groups == 2:
        first, second = np.argsort(-differences, kind="stable")
        lows, highs = _paired_limits(tables, level)
        gap = float(differences[first] - differences[second])
        below = math.hypot(differences[first] - lows[first], highs[second] - differences[second])
        above = math.hypot(highs[first] - differences[first], differences[second] - lows[second])
        return Interval(max(0.0, gap - below), max(gap + above, below - gap))
    lows, highs = _paired_limits(tables, 1 - alpha / (2 * groups))
    wide_lows, wide_highs = _paired_limits(tables, 1 - alpha / 2)
    reach = wide_highs[:, None] - wide_lows[None, :]
    np.fill_diagonal(reach, 0.0)  # a group is no gap to itself
    return Interval(max(0.0, float(lows.max() - highs.min())), float(reach.max()))


def student(values: Floats, *, level: float = LEVEL) -> Interval:
    """Return Student's interval of the mean of independent values (n,), n at least 2.

    Examples
    --------
    >>> [round(x, 3) for x in student(np.array([1.0, 2.0, 3.0]))]
    [-0.484, 4.484]
    """
    n, mean = len(values), float(values.mean())
    half = float(stdtrit(n - 1, 0.5 + level / 2)) * float(values.std(ddof=1)) / math.sqrt(n)
    return Interval(mean - half, mean + half)


def gap_of_paired_means(
    values: Floats, *, minimum_n: int = 2, level: float = LEVEL
) -> PairedGap | None:
    """Return the largest difference of two columns' means, on the same inputs.

    Student's interval of the mean difference, for every pair. The low end belongs to whichever pair
    came out largest, so it must hold for all pairs and both directions at once (Bonferroni). The
    high end need not pay for that: the truly largest pair is fixed, whatever was observed.

    Parameters
    ----------
    values : ndarray
        (n, m) one row per independent input; NaN where a column has no value. A pair is compared on
        the rows that have both.
    minimum_n : int
        Pairs with fewer such rows are left out, at least 2.

    Returns
    -------
    PairedGap or None
        None where no pair is left.
    """

    def limits(first: Floats, second: Floats, level: float) -> Interval:
        return student(first - second, level=level)

    return _largest_paired(values, limits, minimum_n, level)


def gap_of_paired_shares(
    hits: Floats, *, minimum_n: int = 2, level: float = LEVEL
) -> PairedGap | None:
    """Return the largest difference of two columns' shares, on the same inputs.

    Newcombe's paired intervals, put together as in `gap_of_paired_means`.

    Parameters
    ----------
    hits : ndarray
        (n, m) of 0 and 1; NaN where a column has no value.
    minimum_n : int
        Pairs with fewer rows that have both are left out, at least 2.

    Returns
    -------
    PairedGap or None
        None where no pair is left.
    """

    def limits(first: Floats, second: Floats, level: float) -> Interval:
        return paired_difference(first > 0, second > 0, level=level)[1]

    return _largest_paired(hits, limits, minimum_n, level)


def _largest_paired(
    values: Floats,
    limits: Callable[[Floats, Floats, float], Interval],
    minimum_n: int,
    level: float,
) -> PairedGap | None:
    known = ~np.isnan(values)
    pairs = [
        (i, j, known[:, i] & known[:, j])
        for i in range(values.shape[1])
        for j in range(i + 1, values.shape[1])
    ]
    pairs = [(i, j, rows) for i, j, rows in pairs if rows.sum() >= minimum_n]
    if not pairs:
        return None
    # Half of alpha for each end; at the low end over all pairs and both directions. One pair has
    # its own interval, folded at zero.
    low_level = 1 - (1 - level) / (2 * len(pairs)) if len(pairs) > 1 else level
    found, lows, highs = list[PairedGap](), [0.0], [0.0]
    for i, j, rows in pairs:
        first, second = values[rows, i], values[rows, j]
        low, high = limits(first, second, low_level)
        below, above = limits(first, second, level)
        lows += [low, -high]
        highs += [above, -below]
        gap = float(first.mean() - second.mean())
        ends = (i, j) if gap >= 0 else (j, i)
        found.append(PairedGap(abs(gap), Interval(0.0, 0.0), *ends, int(rows.sum()), len(pairs)))
    widest = max(found, key=lambda one: one.value)
    # Pairs may have different rows, so a short one could end outside the widest one's value.
    interval = Interval(min(widest.value, max(lows)), max(widest.value, *highs))
    return widest._replace(interval=interval)


def _paired_limits(tables: Ints, level: float) -> tuple[Floats, Floats]:
    each = np.array([newcombe_paired(*row, level=level) for row in tables.tolist()])
    return each[:, 0], each[:, 1]


def _exact_limits(counts: Ints, totals: Ints, level: float) -> tuple[Floats, Floats]:
    cells = zip(counts.tolist(), totals.tolist(), strict=True)
    each = np.array([clopper_pearson(count, total, level=level) for count, total in cells])
    return each[:, 0], each[:, 1]


def gap_p(counts: Ints, totals: Ints, *, seed: int, permutations: int = 2000) -> float:
    """Return the permutation p-value of "all groups have the same share".

    Permuting which input belongs to which group spreads the successes over the groups like a
    multivariate hypergeometric draw, so counts are drawn instead of rows. The statistic is the
    largest minus the smallest share.

    Parameters
    ----------
    counts, totals : ndarray
        Successes and inputs of each group (g,), every total at least 1.

    Returns
    -------
    float
        (1 + permutations with at least the observed gap) / (1 + permutations).

    References
    ----------
    Phipson and Smyth, 2010, Stat. Appl. Genet. Mol. Biol. 9(1), 39 (why p is never 0).
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    spread = rng.multivariate_hypergeometric(
        totals, int(counts.sum()), size=permutations, method="marginals"
    )
    hits = np.count_nonzero(np.ptp(spread / totals, axis=1) >= np.ptp(counts / totals) - 1e-12)
    return (1 + int(hits)) / (1 + permutations)


def bonferroni(p_values: Sequence[float]) -> float:
    """Return one p-value for "none of these hypotheses is false"; valid under any dependence."""
    return min(1.0, len(p_values) * min(p_values))


def median_interval(values: Floats, *, level: float = LEVEL) -> Interval:
    """Return the interval of a median between two order statistics; infinite values are allowed.

    Exact whatever the distribution: coverage is at least `level`. With too few values there are no
    such order statistics, and the interval has no ends.

    Parameters
    ----------
    values : ndarray
        (n,) independent numbers, some of them perhaps infinite.

    References
    ----------
    Conover, 1999, Practical Nonparametric Statistics, 3rd edition, section 3.2.

    Examples
    --------
    >>> low, high = median_interval(np.arange(1.0, 101.0))
    >>> [float(low), float(high)]
    [40.0, 61.0]
    """
    n, tail = len(values), (1 - level) / 2
    ordered = np.sort(values)
    below = 0  # of n values so many may be left out on each side: P(X < below) <= tail
    while below < n and 1 - binomial_p_above(below + 1, n, 0.5) <= tail:
        below += 1
    if below == 0:
        return Interval(-math.inf, math.inf)
    return Interval(float(ordered[below - 1]), float(ordered[n - below]))


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
    piece = max(1, min(250, 4_000_000 // n))  # at most 32 MB of drawn rows at a time
    values = [
        statistic(_resampled(rng, n, min(piece, replicates - start), strata))
        for start in range(0, replicates, piece)
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


def gap_of_means(values: Floats, groups: Ints, *, level: float = LEVEL) -> Interval:
    """Return the interval of the largest minus the smallest mean of independent groups.

    Two groups: Welch's interval, folded at zero. More: differences of Student's limits of each
    mean, those of all groups at the low end and of two at the high one, as in `gap_of_shares`.

    Parameters
    ----------
    values : ndarray
        (n,) numbers.
    groups : ndarray
        (n,) group of each, from 0 on; at least two groups of at least two.

    References
    ----------
    Welch, 1947, Biometrika 34, 28-35.

    Examples
    --------
    >>> values = np.array([1.0, 2.0, 3.0, 5.0, 6.0, 7.0])
    >>> [round(x, 3) for x in gap_of_means(values, np.array([0, 0, 0, 1, 1, 1]))]
    [1.733, 6.267]
    """
    sizes = np.bincount(groups)
    if len(sizes) < 2 or sizes.min() < 2:
        raise ValueError(f"a gap needs at least two groups of at least two, got {sizes.tolist()}")
    parts = [values[groups == g] for g in range(len(sizes))]
    means = np.array([part.mean() for part in parts])
    errors = np.array([part.var(ddof=1) / len(part) for part in parts])  # of the means, squared
    alpha = 1 - level
    if len(sizes) == 2:
        spread = float(errors.sum())
        scale = float((errors**2 / (sizes - 1)).sum())
        freedom = spread**2 / scale if scale > 0 else float(sizes.sum() - 2)
        half = float(stdtrit(freedom, 1 - alpha / 2)) * math.sqrt(spread)
        gap = float(np.ptp(means))
        return Interval(max(0.0, gap - half), max(gap + half, half - gap))

    def halves(tail: float) -> Floats:
        return stdtrit(sizes - 1, 1 - tail / 2) * np.sqrt(errors)

    strict, wide = halves(alpha / (2 * len(sizes))), halves(alpha / 2)
    reach = (means + wide)[:, None] - (means - wide)[None, :]
    np.fill_diagonal(reach, 0.0)  # a group is no gap to itself
    low = float((means - strict).max() - (means + strict).min())
    return Interval(max(0.0, low), float(reach.max()))


def _resampled(rng: np.random.Generator, n: int, rows: int, strata: Ints | None) -> Ints:
    if strata is None:
        return rng.integers(0, n, size=(rows, n))
    drawn = np.empty((rows, n), dtype=np.int64)
    for group in np.unique(strata):
        members = np.flatnonzero(strata == group)
        drawn[:, members] = members[rng.integers(0, len(members), size=(rows, len(members)))]
    return drawn


def p_among(observed: float, drawn: Floats) -> float:
    """Return p = (1 + number of drawn values at least as large) / (1 + number of drawn values).

    Never 0: the observed value is one of those that chance could have drawn. Rounding does not tell
    equal values apart.

    Parameters
    ----------
    observed : float
        A number of about 1 or below.
    drawn : ndarray
        (r,) what it would be by chance alone.

    References
    ----------
    Phipson and Smyth, 2010, Statistical Applications in Genetics and Molecular Biology 9(1), 39.

    Examples
    --------
    >>> p_among(2.0, np.array([1.0, 2.0, 3.0]))
    0.75
    """
    return (1 + int(np.count_nonzero(drawn >= observed - 1e-12))) / (1 + len(drawn))


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
    drawn = np.array([statistic(rng.permutation(groups)) for _ in range(permutations)])
    return p_among(observed, drawn)


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


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return adjusted p-values: calling those at most q lets a share of at most q be false calls.

    Holds for independent and for positively dependent tests.

    References
    ----------
    Benjamini and Hochberg, 1995, Journal of the Royal Statistical Society B 57, 289-300.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03, 0.5])
    [0.04, 0.05333333333333334, 0.05333333333333334, 0.5]
    """
    order = sorted(range(len(p_values)), key=lambda i: -p_values[i])
    adjusted, least = [1.0] * len(p_values), 1.0
    for left_out, i in enumerate(order):
        least = min(least, p_values[i] * len(p_values) / (len(p_values) - left_out))
        adjusted[i] = least
    return adjusted


def holm_adjusted(p_values: Sequence[float]) -> list[float]:
    """Return p-values such that those at most alpha are what `holm` rejects at alpha.

    References
    ----------
    Holm, 1979, Scandinavian Journal of Statistics 6.

    Examples
    --------
    >>> holm_adjusted([0.001, 0.04, 0.03])
    [0.003, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, highest = [1.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def fewer_p(count1: int, n1: int, count2: int, n2: int) -> float:
    """Return the exact one-sided p-value of "share one is not below share two".

    Fisher's test: given all successes, how surprising so few of them in the first group are. Its
    level is at most nominal whatever the sizes.

    Parameters
    ----------
    count1, count2 : int
        Successes in each group.
    n1, n2 : int
        Inputs in each group.

    References
    ----------
    Fisher, 1935, Journal of the Royal Statistical Society 98, 39-82.

    Examples
    --------
    >>> round(fewer_p(1, 10, 9, 10), 5)  # (10 * 10 + 1 * 1) / 184756
    0.00055
    """
    from scipy.stats import hypergeom  # heavy: only when a test is made

    return min(1.0, float(hypergeom.cdf(count1, n1 + n2, count1 + count2, n1)))


def n_needed_for_share(share: float, limit: float, n: int, *, level: float = LEVEL) -> int | None:
    """Return the smallest n at which the interval of `share` would exclude `limit`.

    An extrapolation: it supposes that the share stays what it is. None above one million.
    """
    cap = max(n, 1_000_000)

    def decided(size: int) -> bool:
        low, high = clopper_pearson(round(share * size), size, level=level)
        return not low <= limit <= high

    size = n
    while not decided(size):
        if size == cap:
            return None
        size = min(2 * size, cap)
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


def n_for_half_width(share: float, half: float, *, level: float = LEVEL) -> int:
    """Return about how many inputs give a share an interval of plus or minus `half`.

    Examples
    --------
    >>> n_for_half_width(0.9, 0.05)
    139
    """
    z = normal_quantile(0.5 + level / 2)
    return math.ceil(share * (1 - share) * (z / half) ** 2)

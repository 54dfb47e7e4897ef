"""Maximum mean discrepancy: how far apart two samples lie, with a permutation test.

All permutations come out of one matrix product: of the sums of kernel values within the two groups
only K Z is new, Z holding who is in the first group, one column for each permutation.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from auditkit.statistics import LEVEL, Interval, normal_quantile, p_among
from auditkit.types import Bools, Floats


class Kernel(NamedTuple):
    """Kernel values of N points with each other."""

    values: Floats  # (N, N) float64, zeros on the diagonal
    bandwidth: float  # median distance; 0 where more than half of the pairs are equal points


class MmdTest(NamedTuple):
    """What a permutation test came to."""

    value: float  # unbiased estimate of MMD^2; below 0 by chance where the samples are alike
    interval: Interval
    p: float
    bandwidth: float


def gaussian_kernel(points: Floats) -> Kernel:
    """Return exp(-||a - b||^2 / (2 h^2)), h the median distance between two of the points.

    Where the median is 0 the mean distance stands in for it; where all points are equal, all
    values are 1.

    Parameters
    ----------
    points : ndarray
        (N, d) of both samples, N at least 2.

    References
    ----------
    Gretton et al., 2012, JMLR 13, 723-773, section 8 (median heuristic).
    """
    x = points - points.mean(axis=0)  # rounding is relative to the spread, not to the place
    norms = np.einsum("ij,ij->i", x, x)
    squares = x @ x.T  # (N, N); in place from here on: it may be large
    squares *= -2
    squares += norms[:, None]
    squares += norms[None, :]
    np.maximum(squares, 0, out=squares)
    np.fill_diagonal(squares, 0)
    apart = squares[np.triu_indices(len(x), k=1)]
    scale = float(np.median(apart)) or float(apart.mean()) or 1.0
    bandwidth = math.sqrt(float(np.median(apart)))
    squares /= -2 * scale
    np.exp(squares, out=squares)
    np.fill_diagonal(squares, 0)
    return Kernel(squares, bandwidth)


def mmd2(kernel: Floats, first: Floats) -> Floats:
    """Return the unbiased estimate of MMD^2 for several ways to part N points in two.

    Parameters
    ----------
    kernel : ndarray
        (N, N), zeros on the diagonal.
    first : ndarray
        (N, P) of 0 and 1, who is in the first group; every column has at least 2 of each.

    Returns
    -------
    ndarray
        (P,)

    References
    ----------
    Gretton et al., 2012, JMLR 13, 723-773, equation 3.
    """
    n = first.sum(axis=0)  # (P,)
    m = len(first) - n
    rows = kernel.sum(axis=1)  # (N,)
    within = np.einsum("ij,ij->j", first, kernel @ first)  # (P,) over ordered pairs
    touching = rows @ first  # (P,) of a point in the first group with any
    outside = rows.sum() - 2 * touching + within
    return within / (n * (n - 1)) + outside / (m * (m - 1)) - 2 * (touching - within) / (n * m)


def permuted(first: Bools, permutations: int, rng: np.random.Generator) -> Floats:
    """Return who is in the first group (N,): first as it is, then by chance.

    Returns
    -------
    ndarray
        (N, 1 + permutations) of 0.0 and 1.0.
    """
    observed = first.astype(np.float64)
    drawn = rng.permuted(np.tile(observed, (permutations, 1)), axis=1)
    return np.concatenate([observed[None], drawn]).T


def p_of(values: Floats) -> float:
    """Return (1 + number of permuted values at least as large) / (1 + permutations).

    Parameters
    ----------
    values : ndarray
        (1 + P,) the observed value, then those of permutations.
    """
    return p_among(float(values[0]), values[1:])


def mmd_test(
    first: Floats,
    second: Floats,
    *,
    permutations: int,
    rng: np.random.Generator,
    level: float = LEVEL,
) -> MmdTest:
    """Return whether two samples come from one distribution.

    The interval is that of the estimate to first order, widened by its spread under permutation,
    which is all there is where the distributions are equal.

    Parameters
    ----------
    first, second : ndarray
        (n, d) and (m, d), n and m at least 2; columns in comparable units.
    permutations : int
        At least 1; p is at least 1 / (1 + permutations).
    rng : Generator
        Draws the permutations.
    level : float
        Of the interval.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(50, 2)), rng.normal(1, 1, size=(40, 2))
    >>> mmd_test(x, y, permutations=99, rng=rng).p
    0.01
    """
    n, m = len(first), len(second)
    kernel = gaussian_kernel(np.concatenate([first, second]))
    values = mmd2(kernel.values, permuted(np.arange(n + m) < n, permutations, rng))
    z = normal_quantile(0.5 + level / 2)
    error = math.sqrt(_first_order(kernel.values, n) + float(values[1:].var()))
    value = float(values[0])
    # MMD^2 is never negative and, with a kernel in [0, 1], never above 2.
    interval = Interval(min(value, max(0.0, value - z * error)), min(2.0, value + z * error))
    return MmdTest(value, interval, p_of(values), kernel.bandwidth)


def _first_order(kernel: Floats, n: int) -> float:
    """Return the variance of the estimate to first order: of each point's share in it."""
    m = len(kernel) - n
    cross = kernel[:n, n:]
    of_first = kernel[:n, :n].sum(axis=1) / (n - 1) - cross.mean(axis=1)
    of_second = kernel[n:, n:].sum(axis=1) / (m - 1) - cross.mean(axis=0)
    return 4 * float(of_first.var(ddof=1) / n + of_second.var(ddof=1) / m)

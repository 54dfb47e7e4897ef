"""The Kolmogorov-Smirnov test of every column of two samples, corrected for their number."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from auditkit.types import Bools, Floats


class KsTest(NamedTuple):
    """What the tests came to."""

    distances: Floats  # (d,) largest difference of the two distribution functions
    p_values: Floats  # (d,) of each column by itself
    p: float  # of all columns: the smallest times their number, at most 1


def ks_distances(points: Floats, first: Bools) -> Floats:
    """Return the largest difference of the distribution functions of two groups.

    Parameters
    ----------
    points : ndarray
        (N, d) of both groups.
    first : ndarray
        (N,) who is in the first; both groups hold someone.

    Returns
    -------
    ndarray
        (d,) in [0, 1].
    """
    order = np.argsort(points, axis=0, kind="stable")  # (N, d)
    ordered = np.take_along_axis(points, order, axis=0)
    n, m = first.sum(), (~first).sum()
    gap = np.cumsum(np.where(first, 1 / n, -1 / m)[order], axis=0)
    # Between equal values there is no step: only the last of them counts.
    last = np.ones(ordered.shape, dtype=bool)
    last[:-1] = ordered[1:] != ordered[:-1]
    return np.minimum(np.abs(np.where(last, gap, 0.0)).max(axis=0), 1.0)


def ks_test(points: Floats, first: Bools) -> KsTest:
    """Return whether any column has another distribution in one group than in the other.

    p-values are asymptotic, as scipy's `ks_2samp(method="asymp")`; where values are tied they are
    too large, never too small.

    Parameters
    ----------
    points : ndarray
        (N, d) of both groups, d at least 1.
    first : ndarray
        (N,) who is in the first.

    References
    ----------
    Hodges, 1958, Arkiv foer Matematik 3; Rabanser et al., 2019, arXiv:1810.11953 (with Bonferroni's
    correction over the columns).

    Examples
    --------
    >>> points, first = np.arange(4.0)[:, None], np.array([True, True, False, False])
    >>> found = ks_test(points, first)
    >>> found.distances.tolist()
    [1.0]
    """
    distances = ks_distances(points, first)
    different, where = np.unique(distances, return_inverse=True)
    p_values = _p_values(different, first)[where]
    return KsTest(distances, p_values, float(min(1.0, p_values.min() * len(p_values))))


def ks_p(points: Floats, first: Bools) -> float:
    """Return the p-value of all columns together alone, which takes one of them; see `ks_test`."""
    distances = ks_distances(points, first)
    return float(min(1.0, _p_values(distances.max(keepdims=True), first)[0] * len(distances)))


def _p_values(distances: Floats, first: Bools) -> Floats:
    from scipy.stats import kstwo

    n, m = int(np.count_nonzero(first)), int(np.count_nonzero(~first))
    found = np.asarray(kstwo.sf(distances, max(1, round(n * m / (n + m)))), dtype=np.float64)
    return np.clip(found, 0.0, 1.0)

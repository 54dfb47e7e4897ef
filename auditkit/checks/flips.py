"""The median change that turns an answer, of inputs some of which nothing turned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from auditkit.checks.base import Check
from auditkit.findings import Finding
from auditkit.statistics import Interval, median_interval
from auditkit.types import Floats, Params


def median_flip(
    check: Check,
    metric: str,
    flips: Floats,
    *,
    why: str,
    most: float = np.inf,
    swept: Params | None = None,
    evidence: Sequence[str] = (),
    controls: Sequence[str] = (),
    level: float,
) -> Finding:
    """Return the median budget that changed an answer, of the inputs that were right before.

    Parameters
    ----------
    flips : ndarray
        (n,) the smallest change that turned each answer: infinity where none did, 0 where the
        answer was wrong as it stood, which is left out.
    why : str
        Why there is none, where nothing was found on half of them or more.
    most : float
        The largest budget there is; an interval that ends beyond it ends there, one that has no
        end is left out.
    """
    right = flips[flips > 0]
    middle = float(np.quantile(right, 0.5, method="inverted_cdf"))
    if np.isinf(middle):
        return check.undefined(metric, why, n=len(right), swept=swept)
    low, high = median_interval(right, level=level)
    ends = Interval(max(0.0, low), min(most, high))
    known = np.isfinite(ends.high)
    return check.value(
        metric,
        middle,
        n=len(right),
        interval=ends if known else None,
        method="order-statistics" if known else "none",
        swept=swept,
        evidence=evidence,
        controls=controls,
        level=level,
    )

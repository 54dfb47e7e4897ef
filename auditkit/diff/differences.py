"""The difference of two findings with its interval: paired by input where records allow."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from auditkit.diff.pairs import column_of
from auditkit.diff.report import Direction
from auditkit.diff.sides import Loaded
from auditkit.findings import Finding
from auditkit.randomness import key_of
from auditkit.statistics import Interval, bootstrap_mean, newcombe, paired_difference
from auditkit.types import Better, Floats

_NOT_OF_THE_VALUE = ("none", "null-band")  # kinds of range that say nothing of the value's error
_P_VALUES = ("p", "p-value")
_LEAST = 20  # inputs from which a bootstrap of their differences is wide enough


class Difference(NamedTuple):
    """After minus before.

    Parameters
    ----------
    value : float
        The difference.
    interval : Interval or None
        None where the records and the findings do not give one.
    method : str
        How it was made.
    paired : bool
        Whether the same inputs were held against each other.
    n : int
        How many, where paired.
    why : str
        Why there is no interval.
    """

    value: float
    interval: Interval | None
    method: str
    paired: bool = False
    n: int = 0
    why: str = ""


def difference(
    before: Loaded,
    after: Loaded,
    check: str,
    findings: tuple[Finding, Finding],
    *,
    level: float,
    same_inputs: bool,
) -> Difference:
    """Return the difference of two findings that both have a value.

    Parameters
    ----------
    before, after : Loaded
        The results.
    check : str
        Whose findings they are.
    findings : (Finding, Finding)
        Of one id, before and after.
    level : float
        Of the interval.
    same_inputs : bool
        Whether both were measured on the same data, and so may be paired by id.
    """
    first, second = findings
    assert first.value is not None
    assert second.value is not None
    value = second.value - first.value
    if first.unit in _P_VALUES:
        return Difference(value, None, "none", why="p-values do not measure a size")
    if same_inputs and before.columns and after.columns:
        columns = column_of(before, first, check), column_of(after, second, check)
        if columns[0] is not None and columns[1] is not None and columns[0].name == columns[1].name:
            old, new = _aligned(before, after, columns[0].values, columns[1].values)
            known = ~np.isnan(old)
            share = columns[0].share and columns[1].share
            enough = np.count_nonzero(known) >= (1 if share else _LEAST)
            if enough and np.array_equal(known, ~np.isnan(new)):
                return _paired(new[known], old[known], share=share, finding=first.id, level=level)
    return _unpaired(first, second, level)


def direction_of(change: float, interval: Interval | None, better: Better) -> Direction:
    """Return which way a difference surely goes, from its own interval alone."""
    if interval is None or interval.low <= 0 <= interval.high:
        return "same" if change == 0 and interval is not None and _is_point(interval) else "unclear"
    if better == "neither":
        return "other"
    return "better" if (change > 0) == (better == "higher") else "worse"


def _is_point(interval: Interval) -> bool:
    return interval.low == interval.high


def _aligned(before: Loaded, after: Loaded, old: Floats, new: Floats) -> tuple[Floats, Floats]:
    """Return both columns in the order of the ids, which are the same."""
    return old[np.argsort(before.ids)], new[np.argsort(after.ids)]


def _paired(new: Floats, old: Floats, *, share: bool, finding: str, level: float) -> Difference:
    n = len(new)
    if share:
        value, interval = paired_difference(new > 0, old > 0, level=level)
        return Difference(value, interval, "newcombe-paired", paired=True, n=n)
    gone = new - old
    seed = key_of(0, "diff", finding) % 2**32
    interval = bootstrap_mean(gone, seed=seed, level=level)
    return Difference(float(gone.mean()), interval, "bootstrap-paired", paired=True, n=n)


def _unpaired(first: Finding, second: Finding, level: float) -> Difference:
    """Return the interval for independent samples: rather too wide where inputs are shared."""
    assert first.value is not None
    assert second.value is not None
    value = second.value - first.value
    kinds = {first.interval, second.interval}
    if kinds == {"exact"}:
        return Difference(value, Interval(value, value), "exact")
    if kinds == {"clopper-pearson"}:
        counts = [
            (round(one.value * one.n), one.n) for one in (second, first) if one.value is not None
        ]
        return Difference(value, newcombe(*counts[0], *counts[1], level=level), "newcombe")
    if kinds & set(_NOT_OF_THE_VALUE):
        return Difference(value, None, "none", why="a value has no interval of its own")
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return Difference(value, None, "none", why="a value has no interval of its own")
    if not first.level == second.level == level:
        return Difference(value, None, "none", why="the intervals have other levels")
    low = math.hypot(second.value - second.low, first.high - first.value)
    high = math.hypot(second.high - second.value, first.value - first.low)
    return Difference(value, Interval(value - low, value + high), "square-and-add")

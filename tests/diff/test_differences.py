"""Mirrors auditkit/diff/differences.py."""

from __future__ import annotations

import math

import numpy as np
import pytest

from auditkit.diff.differences import difference, direction_of
from auditkit.diff.sides import Loaded
from auditkit.findings import Finding
from auditkit.result import Result
from auditkit.statistics import Interval, newcombe, newcombe_paired
from tests.diff.sample import CHECK, mean, share

EMPTY = Result.model_construct()


def unpaired(first: Finding, second: Finding, level: float = 0.95):
    side = Loaded(EMPTY)
    return difference(side, side, CHECK, (first, second), level=level, same_inputs=True)


def test_shares_of_independent_samples_are_newcombes() -> None:
    found = unpaired(share("a", np.arange(80) < 48), share("a", np.arange(70) < 56))
    assert found.interval == newcombe(56, 70, 48, 80)
    assert found.method == "newcombe"


def test_other_findings_add_their_own_intervals_squared() -> None:
    first, second = (mean("a", np.random.default_rng(i).random(90) + i) for i in (0, 1))
    found = unpaired(first, second)
    assert found.interval is not None
    assert first.low is not None and first.high is not None  # noqa: PT018
    assert second.low is not None and second.value is not None and first.value is not None  # noqa: PT018
    low = math.hypot(second.value - second.low, first.high - first.value)
    assert found.interval.low == pytest.approx(found.value - low)
    assert unpaired(first, second, level=0.9).interval is None  # they were made at 95 %


@pytest.mark.parametrize("kind", ["none", "null-band"])
def test_a_range_that_is_no_interval_of_the_value_gives_none(kind: str) -> None:
    one = mean("a", np.random.default_rng(0).random(90)).model_copy(update={"interval": kind})
    assert unpaired(one, one).interval is None


def test_p_values_have_no_difference_that_means_something() -> None:
    one = share("a", np.arange(9) < 5).model_copy(update={"unit": "p", "interval": "exact"})
    assert unpaired(one, one).interval is None


def test_counted_things_differ_exactly() -> None:
    one = share("a", np.arange(9) < 5).model_copy(update={"interval": "exact"})
    assert unpaired(one, one.model_copy(update={"value": 1.0})).interval == (4 / 9, 4 / 9)


def test_direction_follows_the_interval_and_what_is_better() -> None:
    assert direction_of(-0.1, Interval(-0.2, -0.05), "higher") == "worse"
    assert direction_of(-0.1, Interval(-0.2, -0.05), "lower") == "better"
    assert direction_of(-0.1, Interval(-0.2, -0.05), "neither") == "other"
    assert direction_of(-0.1, Interval(-0.2, 0.05), "higher") == "unclear"
    assert direction_of(0.0, Interval(0.0, 0.0), "higher") == "same"
    assert direction_of(-0.1, None, "higher") == "unclear"


def test_the_paired_interval_keeps_its_level() -> None:
    """Simulated: a paired difference of minus 10 points at n 80 lies inside at least 19 of 20."""
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(400):
        before = rng.random(80) < 0.8
        after = before & (rng.random(80) > 0.125)
        counts = [(after & before), (after & ~before), (before & ~after), (~before & ~after)]
        low, high = newcombe_paired(*(int(one.sum()) for one in counts))
        inside += low <= -0.1 <= high
    assert inside >= 370  # 380 expected; P(below 370) < 1 % at exactly 95 %

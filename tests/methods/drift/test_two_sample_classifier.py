"""Mirrors auditkit/methods/drift/two_sample_classifier.py."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from auditkit.methods.drift.two_sample_classifier import classifier_test, guessing_p
from auditkit.types import Floats


def told(first: Floats, second: Floats, seed: int = 0) -> tuple[int, int, float]:
    return tuple(classifier_test(first, second, rng=np.random.default_rng(seed)))  # type: ignore[return-value]


def test_what_differs_is_told_apart_whether_in_place_or_in_spread() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4))
    for other in (rng.normal(3, 1, size=(120, 4)), rng.normal(0, 4, size=(120, 4))):
        right, n, p = told(x, other)
        assert n == 120
        assert right > 0.9 * n
        assert p < 1e-10


def test_p_is_that_of_fishers_test() -> None:
    """Right answers alone give the table: held-out inputs of either sample are as many."""
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(41, 2)), rng.normal(0.8, 1, size=(75, 2))
    right, n, p = told(first, second)
    assert n == 40  # 20 held out of 41 on either side
    half = n // 2
    # a of the first sample and b of the second are said to be of the second.
    pairs = [(half - (right - b), b) for b in range(half + 1) if 0 <= right - b <= half]
    known = [float(stats.hypergeom.sf(b - 1, n, half, a + b)) for a, b in pairs]
    assert any(p == pytest.approx(one) for one in known)
    assert p > stats.binomtest(right, n, 0.5, alternative="greater").pvalue


def test_named_by_chance_they_alarm_no_more_often_than_said() -> None:
    """Of all 252 ways to name ten inputs, at most a share of p has a p-value up to p."""
    said = np.arange(10) >= 5
    found = [
        guessing_p(said, np.isin(np.arange(10), second)) for second in combinations(range(10), 5)
    ]
    for p in set(found):
        assert np.mean(np.array(found) <= p + 1e-12) <= p + 1e-12


def test_what_it_is_asked_it_was_not_taught() -> None:
    """Noise in many columns is learned by heart, and does not help."""
    rng = np.random.default_rng(2)
    right, n, _ = told(rng.normal(size=(60, 200)), rng.normal(size=(60, 200)))
    assert right < 0.75 * n


@pytest.mark.slow
def test_alike_samples_alarm_no_more_often_than_said() -> None:
    alarms = 0
    for seed in range(500):
        rng = np.random.default_rng(seed)
        alarms += told(rng.normal(size=(60, 8)), rng.normal(size=(50, 8)), seed)[2] <= 0.05
    assert stats.binom.sf(alarms - 1, 500, 0.05) >= 0.01
    assert alarms > 0

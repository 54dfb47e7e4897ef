"""Mirrors auditkit/methods/ood/rates.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_curve

from auditkit.methods.ood.rates import false_positive_rate, rate_interval
from auditkit.statistics import clopper_pearson


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 99), st.booleans())
def test_equals_the_peers_curve(n: int, m: int, seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    known, strange = rng.normal(size=n), rng.normal(size=m) + 1
    if ties:
        known, strange = known.round(), strange.round()
    truth = np.repeat([0, 1], [n, m])
    fpr, tpr, _ = roc_curve(truth, np.concatenate([known, strange]), drop_intermediate=False)
    expected = fpr[np.argmax(tpr >= 0.95 - 1e-12)]
    value = false_positive_rate(known, strange)
    assert value == pytest.approx(expected)
    low, high = rate_interval(known, strange)
    assert low <= value <= high


def test_nothing_to_count_is_undefined() -> None:
    assert np.isnan(false_positive_rate(np.array([]), np.array([1.0])))
    assert np.isnan(false_positive_rate(np.array([1.0]), np.array([])))


def test_the_interval_keeps_its_width_without_overlap() -> None:
    low, high = rate_interval(np.zeros(100), np.ones(100))
    assert low == 0
    assert high == clopper_pearson(0, 100, level=0.975).high  # half of the error
    assert rate_interval(np.zeros(100), np.ones(20)).high == 1  # 20 leave the threshold open


@pytest.mark.parametrize("distance", [1.0, 2.5])
def test_coverage(distance: float) -> None:
    """At least nominal, accepted by a one-sided 99 % binomial bound over 200 repetitions."""
    truth = norm.sf(norm.ppf(0.05, loc=distance))
    covered = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        low, high = rate_interval(rng.normal(size=150), rng.normal(size=150) + distance)
        covered += low <= truth <= high
    assert covered >= 182  # P(Binomial(200, .95) < 182) = .009

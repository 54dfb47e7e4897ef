"""Mirrors auditkit/methods/metrics/auc.py."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from auditkit.methods.metrics.auc import auc, auc_interval, auc_within


def test_it_is_sklearns_ties_included() -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        scores, positive = rng.integers(0, 5, size=60).astype(float), rng.random(60) < 0.3
        assert auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores))
    assert math.isnan(auc(np.zeros(3), np.ones(3, dtype=np.bool_)))


@pytest.mark.parametrize(("shift", "m", "n"), [(0.0, 30, 60), (1.0, 40, 40), (2.5, 25, 100)])
def test_the_interval_covers(shift: float, m: int, n: int) -> None:
    rng = np.random.default_rng(0)
    truth = stats.norm.cdf(shift / math.sqrt(2))
    missed, positive = 0, np.arange(m + n) < m
    for _ in range(300):
        scores = rng.normal(size=m + n) + shift * positive
        low, high = auc_interval(auc(scores, positive), m, n)
        missed += not low <= truth <= high
    assert stats.binom.sf(missed - 1, 300, 0.05) >= 0.01
    assert missed > 0  # and is not idle


def test_groups_that_do_not_overlap_keep_an_interval() -> None:
    assert auc_interval(1.0, 10, 10).low < 0.9
    assert auc_interval(0.0, 10, 10).high > 0.1


def test_what_a_stratum_explains_is_taken_out() -> None:
    """The score is the stratum, and the groups differ in strata alone."""
    rng = np.random.default_rng(0)
    strata = np.repeat([0, 1], 200)
    positive = rng.random(400) < np.where(strata == 1, 0.8, 0.2)
    scores = strata + 0.0
    assert auc(scores, positive) > 0.7
    value, (low, high) = auc_within(scores, positive, strata)
    assert value == 0.5
    assert low < 0.5 < high
    both = auc_within(scores + positive * 0.1, positive, strata)[0]
    assert both == 1
    one = np.zeros(400)
    plain = auc_interval(auc(scores, positive), int(positive.sum()), int((~positive).sum()))
    assert auc_within(scores, positive, one) == (auc(scores, positive), pytest.approx(plain))
    assert math.isnan(auc_within(scores, strata == 1, strata)[0])

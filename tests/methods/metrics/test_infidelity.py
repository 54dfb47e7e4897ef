"""Mirrors auditkit/methods/metrics/infidelity.py."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.methods.metrics.infidelity import infidelity, scaled_infidelity

RNG = np.random.default_rng(0)
SETS = RNG.random((40, 6)) < 0.5
WORTH = RNG.normal(size=6)


def test_sums_that_are_right_have_none_and_zeros_have_the_mean_square():
    falls = SETS @ WORTH
    assert infidelity(WORTH, SETS, falls) == pytest.approx(0, abs=1e-12)
    assert infidelity(0 * WORTH, SETS, falls) == pytest.approx(np.mean(falls**2))
    assert infidelity(WORTH + 1, SETS, falls) == pytest.approx(np.mean(SETS.sum(axis=1) ** 2))


def test_scaled_is_the_share_that_the_best_line_through_zero_leaves():
    falls = SETS @ WORTH + RNG.normal(size=40)
    scores = WORTH + 0.3 * RNG.normal(size=6)
    summed = SETS @ scores
    cosine = summed @ falls / np.sqrt((summed @ summed) * (falls @ falls))
    assert cosine > 0
    for scale in (1e-3, 1.0, 70.0):
        left = scaled_infidelity(scale * scores, SETS, falls)
        assert left == pytest.approx(1 - cosine**2)
    assert scaled_infidelity(-scores, SETS, falls) == pytest.approx(1)
    assert scaled_infidelity(0 * scores, SETS, falls) == pytest.approx(1)


def test_where_nothing_changes_or_is_finite_it_is_undefined():
    assert np.isnan(scaled_infidelity(WORTH, SETS, np.zeros(40)))
    assert np.isnan(scaled_infidelity(WORTH * np.nan, SETS, SETS @ WORTH))
    assert np.isnan(infidelity(WORTH, SETS, np.full(40, np.inf)))

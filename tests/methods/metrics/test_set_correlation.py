"""Mirrors auditkit/methods/metrics/set_correlation.py."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.methods.metrics.set_correlation import set_correlation


def test_it_is_numpys_correlation_of_summed_scores_and_falls():
    rng = np.random.default_rng(0)
    scores, sets, falls = rng.random(9), rng.random((20, 9)) < 0.5, rng.random(20)
    expected = np.corrcoef([scores[one].sum() for one in sets], falls)[0, 1]
    assert set_correlation(scores, sets, falls) == pytest.approx(expected)
    assert set_correlation(-3 * scores, sets, falls) == pytest.approx(-expected)


def test_without_variation_it_is_undefined():
    sets = np.array([[True, False], [False, True]])
    assert np.isnan(set_correlation(np.array([0.1, 0.1]), sets, np.array([1.0, 2.0])))
    assert np.isnan(set_correlation(np.array([0.1, 0.2]), sets, np.array([2.0, 2.0])))
    assert np.isnan(set_correlation(np.array([np.inf, 0.2]), sets, np.array([1.0, 2.0])))

"""Rank correlation is scipy's, and undefined where there is no order."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy.stats import spearmanr

from auditkit.methods.metrics.rank_correlation import rank_correlation


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 30))
def test_it_equals_scipy_ties_included(seed: int, size: int):
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 5, (2, size)).astype(float)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        assert np.isnan(rank_correlation(first, second))
    else:
        assert rank_correlation(first, second) == pytest.approx(
            spearmanr(first, second)[0], abs=1e-12
        )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_has_no_order(bad: float):
    assert np.isnan(rank_correlation(np.array([1.0, 2.0, bad]), np.arange(3.0)))

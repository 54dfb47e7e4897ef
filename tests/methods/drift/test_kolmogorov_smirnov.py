"""Mirrors auditkit/methods/drift/kolmogorov_smirnov.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from auditkit.methods.drift.kolmogorov_smirnov import ks_p, ks_test


@settings(max_examples=20)
@given(
    seed=st.integers(0, 999), n=st.integers(2, 40), m=st.integers(2, 40), levels=st.integers(1, 50)
)
def test_it_agrees_with_scipy_also_where_values_are_tied(
    seed: int, n: int, m: int, levels: int
) -> None:
    rng = np.random.default_rng(seed)
    points = rng.integers(0, levels, size=(n + m, 3)).astype(float)
    points[:, 2] += rng.normal(size=n + m)
    first = rng.permutation(np.arange(n + m) < n)  # in any order
    found = ks_test(points, first)
    for j in range(3):
        peer: Any = stats.ks_2samp(points[first, j], points[~first, j], method="asymp")
        assert found.distances[j] == pytest.approx(peer.statistic)
        assert found.p_values[j] == pytest.approx(peer.pvalue, abs=1e-9)
    assert found.p == pytest.approx(min(1.0, 3 * found.p_values.min()))
    assert ks_p(points, first) == pytest.approx(found.p)


@pytest.mark.slow
def test_alike_samples_alarm_no_more_often_than_said() -> None:
    alarms = 0
    for seed in range(500):
        points = np.random.default_rng(seed).normal(size=(100, 20))
        alarms += ks_p(points, np.arange(100) < 40) <= 0.05
    assert stats.binom.sf(alarms - 1, 500, 0.05) >= 0.01
    assert alarms > 0

"""Mirrors auditkit/methods/drift/mmd.py."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from auditkit.methods.drift.mmd import gaussian_kernel, mmd2, mmd_test, p_of, permuted
from auditkit.types import Floats


def drawn(seed: int, n: int, m: int, by: float = 0.0, d: int = 3) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(by, 1.0, size=(m, d))


def by_definition(x: Floats, y: Floats, bandwidth: float) -> float:
    """Equation 3 of Gretton et al., pair by pair."""

    def k(a: Floats, b: Floats) -> float:
        return float(np.exp(-((a - b) ** 2).sum() / (2 * bandwidth**2)))

    n, m = len(x), len(y)
    first = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    second = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    cross = sum(k(a, b) for a in x for b in y) / (n * m)
    return first + second - 2 * cross


@settings(max_examples=20)
@given(seed=st.integers(0, 99), n=st.integers(2, 9), m=st.integers(2, 9))
def test_it_is_the_definition_and_may_be_negative(seed: int, n: int, m: int) -> None:
    x, y = drawn(seed, n, m, by=seed % 3)
    both = np.concatenate([x, y])
    kernel = gaussian_kernel(both)
    apart = [np.linalg.norm(a - b) for a, b in combinations(both, 2)]
    assert kernel.bandwidth == pytest.approx(np.sqrt(np.median(np.square(apart))))
    found = mmd2(kernel.values, (np.arange(n + m) < n).astype(float)[:, None])[0]
    assert found == pytest.approx(by_definition(x, y, kernel.bandwidth), abs=1e-10)


def test_every_permutation_is_that_of_the_points_themselves() -> None:
    x, y = drawn(0, 6, 9, by=0.5)
    both, first = np.concatenate([x, y]), np.arange(15) < 6
    kernel = gaussian_kernel(both)
    parts = permuted(first, 8, np.random.default_rng(1))
    assert parts.shape == (15, 9)
    assert np.array_equal(parts[:, 0], first)
    assert (parts.sum(axis=0) == 6).all()
    expected = [by_definition(both[z == 1], both[z == 0], kernel.bandwidth) for z in parts.T]
    assert mmd2(kernel.values, parts) == pytest.approx(expected, abs=1e-10)


def test_with_all_permutations_p_is_that_of_the_exact_test() -> None:
    x, y = drawn(3, 4, 4, by=1.5)
    kernel = gaussian_kernel(np.concatenate([x, y])).values
    parts = np.array([[i in chosen for i in range(8)] for chosen in combinations(range(8), 4)])
    values = mmd2(kernel, parts.T.astype(float))
    exact = np.mean(values >= values[0] - 1e-12)  # (0, 1, 2, 3) comes first
    found = mmd_test(x, y, permutations=4000, rng=np.random.default_rng(0))
    assert found.p == pytest.approx(exact, abs=4 * np.sqrt(exact / 4000))
    assert found.value == pytest.approx(values[0])


def test_p_counts_ties_and_is_never_zero() -> None:
    assert p_of(np.array([5.0, 1.0, 2.0, 3.0])) == 0.25
    assert p_of(np.array([2.0, 1.0, 2.0, 3.0])) == 0.75
    same = np.ones((6, 2))
    found = mmd_test(same[:3], same[3:], permutations=19, rng=np.random.default_rng(0))
    assert (found.p, found.value, found.bandwidth) == (1.0, pytest.approx(0.0), 0.0)


def test_large_numbers_lose_nothing() -> None:
    x, y = drawn(0, 30, 20, by=0.3)
    near = mmd_test(x, y, permutations=19, rng=np.random.default_rng(0))
    far = mmd_test(x + 1e6, y + 1e6, permutations=19, rng=np.random.default_rng(0))
    assert far.value == pytest.approx(near.value, abs=1e-6)


@pytest.mark.parametrize("by", [0.0, 0.5])
def test_the_interval_covers_the_true_value(by: float) -> None:
    """Gaussians at a distance, with the bandwidth fixed by the draw, in a large sample."""
    big = drawn(99, 1500, 1500, by=by)
    truth = max(0.0, mmd_test(*big, permutations=19, rng=np.random.default_rng(0)).value)
    missed = 0
    for seed in range(100):
        found = mmd_test(
            *drawn(seed, 40, 50, by=by), permutations=50, rng=np.random.default_rng(seed)
        )
        missed += not found.interval.low <= truth <= found.interval.high
        assert found.interval.low <= found.value <= found.interval.high
    assert stats.binom.sf(missed - 1, 100, 0.05) >= 0.01


@pytest.mark.slow
def test_alike_samples_alarm_at_the_nominal_rate() -> None:
    alarms = sum(
        mmd_test(
            *drawn(1000 + seed, 40, 60, d=5), permutations=99, rng=np.random.default_rng(seed)
        ).p
        <= 0.05
        for seed in range(500)
    )
    assert stats.binom.sf(alarms - 1, 500, 0.05) >= 0.01
    assert stats.binom.cdf(alarms, 500, 0.05) >= 0.01  # nor is it deaf

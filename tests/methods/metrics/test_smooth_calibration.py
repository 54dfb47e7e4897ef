"""Mirrors auditkit/methods/metrics/smooth_calibration.py."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from auditkit.methods.metrics.smooth_calibration import (
    error_at,
    null_smooth_errors,
    smooth_error,
    smooth_error_interval,
)


def slow_error(confidence: np.ndarray, correct: np.ndarray, bandwidth: float) -> float:
    """The definition: a sum of reflected Gaussians, integrated numerically."""
    residual = (correct - confidence) / len(confidence)
    images = [sign * confidence + shift for shift in (-2, 0, 2) for sign in (1, -1)]

    def density(t: float) -> float:
        return abs(sum(float(stats.norm.pdf(t, one, bandwidth) @ residual) for one in images))

    return float(quad(density, 0, 1, limit=200, epsabs=1e-4, epsrel=1e-3)[0])


def drawn(n: int, off: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.3, 1, n)
    return confidence, rng.random(n) < np.clip(confidence - off, 0, 1)


@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning")
@pytest.mark.parametrize("bandwidth", [0.03, 0.1, 0.5])
def test_equals_the_definition(bandwidth: float) -> None:
    confidence, correct = drawn(40, 0.1)
    slow = slow_error(confidence, correct, bandwidth)
    assert error_at(confidence, correct, bandwidth) == pytest.approx(slow, rel=5e-3)


def test_is_the_fixed_point_of_its_bandwidth() -> None:
    confidence, correct = drawn(300, 0.05)
    value = smooth_error(confidence, correct)
    assert error_at(confidence, correct, value) == pytest.approx(value, abs=2e-4)


@pytest.mark.parametrize(
    ("n", "off", "peer"), [(300, 0, 0.04300), (2000, 0.1, 0.10226), (2000, 0, 0.02533)]
)
def test_equals_the_published_package(n: int, off: float, peer: float) -> None:
    """Relplot 1.0.3 in an environment of its own, on the same draws.

    It reflects the kernel once, and halves the bandwidth ten times.
    """
    rng = np.random.default_rng(0)
    draws = {}
    for size, shift in ((300, 0), (2000, 0.1), (2000, 0)):
        confidence = rng.uniform(0.3, 1, size)
        draws[size, shift] = confidence, rng.random(size) < np.clip(confidence - shift, 0, 1)
    assert smooth_error(*draws[n, off]) == pytest.approx(peer, abs=5e-4)


def test_one_confidence_has_a_closed_form() -> None:
    """All mass at one place, and the kernel keeps it whole: the error is the gap itself."""
    assert smooth_error(np.full(100, 1.0), np.arange(100) < 70) == pytest.approx(0.3, abs=1e-4)
    assert smooth_error(np.ones(10), np.ones(10, dtype=bool)) == 0
    assert smooth_error(np.zeros(10), np.zeros(10, dtype=bool)) == 0


def test_it_falls_with_n_where_the_model_is_calibrated_and_the_null_says_so() -> None:
    few, many = (null_smooth_errors(drawn(n, 0)[0], seed=0, simulations=100) for n in (50, 2000))
    assert many.mean() < few.mean() / 2
    slow = np.array([smooth_error(*drawn(50, 0, seed)) for seed in range(60)])
    assert few.mean() == pytest.approx(slow.mean(), abs=4 * slow.std() / 60**0.5)


def test_the_interval_holds_the_value_and_keeps_its_width() -> None:
    for n in (1, 5, 200):
        confidence, correct = drawn(n, 0.1)
        low, high = smooth_error_interval(confidence, correct, seed=0, simulations=200)
        assert 0 <= low <= smooth_error(confidence, correct) <= high <= 1
    low, high = smooth_error_interval(np.ones(50), np.ones(50, dtype=bool), seed=0)
    assert low == 0
    assert 0.02 < high < 0.12


@pytest.mark.slow
@pytest.mark.parametrize("off", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("n", [60, 400])
def test_the_interval_covers_at_least_nominally(n: int, off: float) -> None:
    rng = np.random.default_rng(9)
    many = rng.uniform(0.3, 1, 300_000)
    chance = np.clip(many - off, 0, 1)
    truth = smooth_error(many, chance)  # type: ignore[arg-type]
    misses = 0
    for seed in range(500):
        found = smooth_error_interval(*drawn(n, off, seed), seed=seed, simulations=300)
        misses += not found.low <= truth <= found.high
    assert stats.binom.sf(misses - 1, 500, 0.05) >= 0.01

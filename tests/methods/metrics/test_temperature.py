"""Mirrors auditkit/methods/metrics/temperature.py."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from auditkit.methods.metrics.classification import (
    best_temperature,
    log_losses,
    log_probabilities,
)
from auditkit.methods.metrics.temperature import slopes, temperature_interval


def drawn(n: int, temperature: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are right once they are divided by a temperature."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, 4)) * 2
    gumbel = rng.gumbel(size=(n, 4))
    return logits * temperature, (logits + gumbel).argmax(axis=1)


def test_slopes_equal_finite_differences() -> None:
    logits, labels = drawn(6, 2.0, 0)
    first, second = slopes(logits, labels, 1.3)

    def loss(beta: float) -> np.ndarray:
        return log_losses(log_probabilities(logits * beta), labels)

    beta, h = 1 / 1.3, 1e-4
    assert first == pytest.approx((loss(beta + h) - loss(beta - h)) / (2 * h), abs=1e-5)
    curved = (loss(beta + h) - 2 * loss(beta) + loss(beta - h)) / h**2
    assert second == pytest.approx(curved, abs=1e-4)


@pytest.mark.parametrize("runs", [60, pytest.param(500, marks=pytest.mark.slow)])
@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_the_interval_covers_the_true_temperature(temperature: float, runs: int) -> None:
    misses = 0
    for seed in range(runs):
        logits, labels = drawn(250, temperature, seed)
        found = best_temperature(logits, labels)
        low, high = temperature_interval(found, *slopes(logits, labels, found))
        assert low < found < high
        misses += not low <= temperature <= high
    assert stats.binom.sf(misses - 1, runs, 0.05) >= 0.01


def test_nothing_is_known_where_all_classes_are_alike() -> None:
    first, second = slopes(np.zeros((5, 3)), np.zeros(5, dtype=int), 1.0)
    assert temperature_interval(1.0, first, second) == (0.0, np.inf)

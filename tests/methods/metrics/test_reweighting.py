"""Mirrors auditkit/methods/metrics/reweighting.py."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from auditkit.methods.metrics.reweighting import drop_under, evened, tilted


@pytest.mark.parametrize("by", [-0.5, 0.3, 1.0])
def test_the_mean_moves_by_so_much(by: float) -> None:
    values = np.random.default_rng(0).exponential(size=500)
    weights = tilted(values, by)
    assert weights.mean() == pytest.approx(1)
    assert weights.min() > 0
    moved = (weights * values).mean() - values.mean()
    assert moved == pytest.approx(by * values.std())


def test_what_cannot_move_stays() -> None:
    assert (tilted(np.full(9, 3.0), 0.5) == 1).all()
    assert (tilted(np.array([0.0, 1.0]), 5.0) == 1).all()


def test_shares_move_halfway_to_equal_ones() -> None:
    categories = np.array([0] * 8 + [3] * 2)
    weights = evened(categories)
    assert weights[:8].sum() / 10 == pytest.approx(0.65)  # between 0.8 and 0.5


def test_the_drop_is_that_of_weighted_accuracy_and_its_interval_covers() -> None:
    """Inputs with high values are wrong more often; the population with weights is known."""
    rng, missed = np.random.default_rng(1), 0
    truth = float(stats.norm.cdf(0.5 / np.sqrt(2)) - 0.5)  # P(right | x) = Phi(-x), mean 0 to 0.5
    for _ in range(200):
        values = rng.normal(size=300)
        correct = rng.random(300) < stats.norm.cdf(-values)
        weights = np.exp(0.5 * values)
        weights /= weights.mean()
        moved = drop_under(correct, weights, level=0.95)
        assert moved.drop == pytest.approx(correct.mean() - (weights * correct).mean())
        missed += not moved.interval.low <= truth <= moved.interval.high
    assert stats.binom.sf(missed - 1, 200, 0.06) >= 0.01
    assert moved.effective < 300


def test_inputs_that_are_all_right_keep_an_interval() -> None:
    weights = tilted(np.arange(50.0), 0.5)
    moved = drop_under(np.ones(50, dtype=bool), weights, level=0.95)
    assert moved.drop == 0
    assert 0.02 < moved.interval.high < 0.3

"""Mirrors auditkit/methods/metrics/amplification.py."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from auditkit.methods.metrics.amplification import (
    directional_amplification,
    drawn_tables,
    mean_amplification,
)
from auditkit.methods.metrics.individual import quantiles


def table(group: np.ndarray, label: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    counts = np.zeros((group.max() + 1, label.max() + 1, label.max() + 1), dtype=np.int64)
    np.add.at(counts, (group, label, predicted), 1)
    return counts.astype(np.float64)


@pytest.mark.parametrize("seed", range(3))
def test_both_are_the_published_sums(seed: int) -> None:
    rng = np.random.default_rng(seed)
    group, label = rng.integers(0, 3, size=500), rng.integers(0, 4, size=500)
    predicted = np.where(rng.random(500) < 0.7, label, (label + group) % 4)
    directional = mals = 0.0
    for a in range(3):
        for t in range(4):
            p_a, p_t = (group == a).mean(), (label == t).mean()
            y = ((group == a) & (label == t)).mean() > p_a * p_t
            delta = (predicted[group == a] == t).mean() - (label[group == a] == t).mean()
            directional += (delta if y else -delta) / 12
            before, after = (group[label == t] == a).mean(), (group[predicted == t] == a).mean()
            mals += (after - before) / 4 * (before > 1 / 3)
    counts = table(group, label, predicted)
    assert float(directional_amplification(counts.astype(np.float64))) == pytest.approx(directional)
    assert float(mean_amplification(counts)) == pytest.approx(mals)


def test_right_answers_amplify_nothing_and_reversed_ones_tone_down() -> None:
    rng = np.random.default_rng(0)
    group = rng.integers(0, 2, size=400)
    label = (rng.random(400) < np.where(group == 1, 0.7, 0.3)).astype(np.int64)
    right = table(group, label, label)
    assert directional_amplification(right) == mean_amplification(right) == 0
    assert directional_amplification(table(group, label, 1 - label)) < -0.2
    assert directional_amplification(table(group, label, group)) > 0.2


def test_a_class_that_is_never_predicted_has_no_shares() -> None:
    group, label = np.tile([0, 1], 50), np.repeat([0, 1], 50)
    assert np.isnan(mean_amplification(table(group, label, np.zeros(100, dtype=np.int64))))


def test_the_interval_covers_and_keeps_its_width_without_errors() -> None:
    rng = np.random.default_rng(0)
    truth = np.array([[[30, 5], [5, 10]], [[8, 7], [2, 33]]]) / 100
    expected = float(directional_amplification(truth))
    assert expected > 0.02
    missed = 0
    for seed in range(300):
        counts = rng.multinomial(400, truth.ravel()).reshape(truth.shape)
        drawn = directional_amplification(drawn_tables(counts, key=seed, draws=400))
        low, high = quantiles(drawn, float(directional_amplification(counts.astype(np.float64))))
        missed += not low <= expected <= high
    assert stats.binom.sf(missed - 1, 300, 0.05) >= 0.01
    perfect = np.array([[[50, 0], [0, 10]], [[10, 0], [0, 50]]], dtype=np.float64)
    low, high = quantiles(
        directional_amplification(drawn_tables(perfect.astype(np.int64), key=0)), 0.0
    )
    assert low < -0.005 < 0.005 < high

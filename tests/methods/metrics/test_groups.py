"""Mirrors auditkit/methods/metrics/groups.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from auditkit.methods.metrics.groups import (
    _permuted,
    count_groups,
    distance_interval,
    distance_p,
    equal_mass_bins,
    largest_distance,
    means_p,
)
from auditkit.statistics import permutation_p

steady = settings(deadline=None, derandomize=True)


@steady
@given(seed=st.integers(0, 999), k=st.integers(2, 5), g=st.integers(1, 5))
def test_rates_equal_masking_by_hand(seed: int, k: int, g: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, g, size=50)
    labels, predicted = rng.integers(0, k, size=(2, 50))
    counts = count_groups(codes, labels, predicted, groups=g, classes=k)
    for group in range(g):
        y, p = labels[codes == group], predicted[codes == group]
        assert counts.n[group] == len(y)
        assert counts.accuracy().hits[group] == (y == p).sum()
        for c in range(k):
            by_hand = {
                "selection_rate": (p == c, np.ones_like(y, dtype=bool)),
                "tpr": (p == c, y == c),
                "fpr": (p == c, y != c),
                "fnr": (p != c, y == c),
                "ppv": (y == c, p == c),
            }
            for name, (hit, among) in by_hand.items():
                rates = getattr(counts, name)(c)
                assert rates.totals[group] == among.sum()
                assert rates.hits[group] == (hit & among).sum()


def test_a_rate_without_denominator_is_nan_not_zero() -> None:
    one = np.array([0, 0, 1])
    counts = count_groups(one, np.array([0, 1, 0]), np.array([1, 1, 1]), groups=2, classes=2)
    assert counts.tpr(1).shares[0] == 1
    assert np.isnan(counts.tpr(1).shares[1])


@steady
@given(seed=st.integers(0, 999), g=st.integers(2, 5), k=st.integers(2, 5))
def test_the_distance_is_the_worst_set_of_classes(seed: int, g: int, k: int) -> None:
    """Total variation is the largest difference in probability of any set of classes."""
    counts = np.random.default_rng(seed).integers(1, 20, size=(g, k))
    shares = counts / counts.sum(axis=1, keepdims=True)
    sets = np.array([[(s >> c) & 1 for c in range(k)] for s in range(2**k)])
    assert largest_distance(counts) == pytest.approx(np.ptp(shares @ sets.T, axis=0).max())


def test_permuted_tables_keep_their_margins_and_their_distribution() -> None:
    counts = np.array([[6, 3, 1], [2, 2, 8], [0, 4, 4]])
    rng = np.random.default_rng(0)
    tables = _permuted(counts, 4000, rng)
    assert (tables.sum(axis=1) == counts.sum(axis=0)).all()
    assert (tables.sum(axis=2) == counts.sum(axis=1)).all()
    groups = np.repeat(np.arange(3), counts.sum(axis=1))
    classes = np.concatenate([np.repeat(np.arange(3), row) for row in counts])
    cell = np.zeros(4000)
    for i in range(4000):
        cell[i] = ((rng.permutation(groups) == 1) & (classes == 2)).sum()
    assert tables[:, 1, 2].mean() == pytest.approx(cell.mean(), abs=0.1)
    assert tables[:, 1, 2].std() == pytest.approx(cell.std(), rel=0.06)


def test_distance_p_is_small_for_a_gap_and_never_zero() -> None:
    assert distance_p(np.array([[90, 10, 0], [10, 90, 0]]), seed=0, permutations=500) == 1 / 501
    assert distance_p(np.array([[50, 50, 7], [50, 50, 7]]), seed=0, permutations=500) == 1.0


def test_distance_p_keeps_its_level() -> None:
    rng = np.random.default_rng(1)
    p = np.array(
        [
            distance_p(rng.multinomial([60, 40], [0.5, 0.3, 0.2]), seed=i, permutations=199)
            for i in range(150)
        ]
    )
    for alpha in (0.05, 0.5):
        assert stats.binom.sf((p <= alpha).sum() - 1, 150, alpha) >= 0.01
    assert (p <= 0.5).mean() > 0.3


def distance_misses(second: list[float], sizes: list[int], runs: int) -> tuple[int, int]:
    """How often the interval lies above and below the true distance of the last group."""
    rng, first = np.random.default_rng(2), np.array([0.4, 0.3, 0.2, 0.1])
    truth = np.abs(first - second).sum() / 2
    above = below = 0
    for i in range(runs):
        rows = [rng.multinomial(n, first) for n in sizes[:-1]]
        counts = np.stack([*rows, rng.multinomial(sizes[-1], second)])
        low, high = distance_interval(counts, seed=i, simulations=400)
        assert low <= largest_distance(counts) <= high
        above, below = above + (low > truth + 1e-12), below + (high < truth - 1e-12)
    return above, below


SAME, FAR, OPPOSITE = [0.4, 0.3, 0.2, 0.1], [0.1, 0.3, 0.2, 0.4], [0.0, 0.2, 0.2, 0.6]


@pytest.mark.parametrize("second", [SAME, FAR])
def test_the_interval_of_the_distance_covers(second: list[float]) -> None:
    above, below = distance_misses(second, [80, 80, 80], 100)
    assert stats.binom.sf(above + below - 1, 100, 0.05) >= 0.01


@pytest.mark.slow
@pytest.mark.parametrize("second", [SAME, FAR, OPPOSITE])
@pytest.mark.parametrize("sizes", [[25, 25], [200, 40], [100, 30, 60, 60]])
def test_the_interval_of_the_distance_covers_at_either_end(
    second: list[float], sizes: list[int]
) -> None:
    for missed in distance_misses(second, sizes, 500):
        assert stats.binom.sf(missed - 1, 500, 0.025) >= 0.01


def test_the_interval_of_the_distance_tells_a_gap_from_none() -> None:
    low, high = distance_interval(np.array([[50, 50, 0], [10, 50, 40]]), seed=0)
    assert low > 0.1  # observed: .4
    assert high == pytest.approx(0.4 + 1.96 * np.sqrt(2 * 0.25 / 100), abs=1e-4)


# --- scores --------------------------------------------------------------------------------------


@steady
@given(seed=st.integers(0, 999), n=st.integers(1, 200), levels=st.sampled_from([1, 3, 10**6]))
def test_bins_hold_about_equally_many_and_keep_equal_scores_together(
    seed: int, n: int, levels: int
) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, n) / levels
    index, means = equal_mass_bins(scores, bins=5)
    for i, mean in enumerate(means):
        assert scores[index == i].mean() == pytest.approx(mean)
    assert (np.diff(means) > 0).all()
    order = np.argsort(scores, kind="stable")
    assert (np.diff(index[order]) >= 0).all()
    for score in set(scores.tolist()):
        assert len(set(index[scores == score].tolist())) == 1
    if levels > n * n:
        assert np.bincount(index).max() <= n / 5 + 2


def test_means_p_equals_permuting_inputs() -> None:
    rng = np.random.default_rng(11)
    groups, values = rng.integers(0, 3, 60), np.array([0.1, 0.4, 0.8])
    levels = rng.choice(3, 60, p=[0.5, 0.3, 0.2])
    levels[groups == 2] = np.maximum(levels[groups == 2], 1)
    counts = np.zeros((3, 3), dtype=np.int64)
    np.add.at(counts, (groups, levels), 1)

    def gap(labels: np.ndarray) -> float:
        return float(np.ptp([values[levels[labels == g]].mean() for g in range(3)]))

    rows = permutation_p(gap, groups, seed=1, permutations=4000)
    drawn = means_p(counts, values, seed=2, permutations=4000)
    assert 0 < rows < 0.2
    assert drawn == pytest.approx(rows, abs=0.02)


def test_means_p_keeps_its_level() -> None:
    rng, values = np.random.default_rng(12), np.linspace(0.1, 0.9, 5)
    p = np.array(
        [
            means_p(rng.multinomial([50, 30, 20], [0.2] * 5), values, seed=i, permutations=199)
            for i in range(150)
        ]
    )
    for alpha in (0.05, 0.5):
        assert stats.binom.sf((p <= alpha).sum() - 1, 150, alpha) >= 0.01
    assert (p <= 0.5).mean() > 0.3

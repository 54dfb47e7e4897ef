"""Mirrors auditkit/methods/metrics/individual.py."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.neighbors import NearestNeighbors

from auditkit.methods.metrics.individual import (
    agreement,
    benefits,
    drawn_shares,
    generalised_entropy,
    neighbour_weights,
    quantiles,
    theil_index,
)


def test_consistency_is_the_published_one_without_the_input_itself() -> None:
    rng = np.random.default_rng(0)
    features, p = rng.normal(size=(80, 3)), rng.integers(0, 2, size=80)
    _, near = NearestNeighbors(n_neighbors=6).fit(features).kneighbors(features)
    others = near[:, 1:]  # the first is the input itself, which the peer's definition counts
    expected = 1 - np.abs(p - p[others].mean(axis=1)).mean()
    assert agreement(neighbour_weights(features, 5), p).value == pytest.approx(expected)


def test_equally_far_neighbours_share_the_places() -> None:
    features = np.array([[0.0], [1.0], [-1.0], [1.0], [50.0]])
    weights = neighbour_weights(features, 2)
    np.testing.assert_allclose(weights[0], [0, 1 / 3, 1 / 3, 1 / 3, 0])
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert (np.diag(weights) == 0).all()
    order = np.array([3, 0, 4, 1, 2])
    np.testing.assert_allclose(neighbour_weights(features[order], 2), weights[np.ix_(order, order)])


def test_more_neighbours_than_others_are_refused() -> None:
    with pytest.raises(ValueError, match="impossible"):
        neighbour_weights(np.zeros((3, 1)), 3)


def test_the_interval_covers_what_many_samples_give() -> None:
    """Answers depend on the place by a known law, so the expected agreement is known by drawing."""
    rng = np.random.default_rng(0)

    def drawn() -> tuple[np.ndarray, np.ndarray]:
        x = rng.random((150, 1))
        return x, (rng.random(150) < x[:, 0]).astype(np.int64)

    found = [agreement(neighbour_weights(x, 5), p) for x, p in (drawn() for _ in range(200))]
    truth = np.mean([one.value for one in found])
    missed = sum(not one.interval.low <= truth <= one.interval.high for one in found)
    assert stats.binom.sf(missed - 1, 200, 0.05) >= 0.01


def test_rows_that_come_in_pairs_count_half() -> None:
    """Each is the other's nearest: 200 rows have 100 independent agreements."""
    rng = np.random.default_rng(0)
    weights = neighbour_weights(np.repeat(np.arange(100.0), 2)[:, None], 1)
    found = [agreement(weights, rng.integers(0, 2, size=200)).interval for _ in range(400)]
    missed = sum(not low <= 0.5 <= high for low, high in found)
    assert stats.binom.sf(missed - 1, 400, 0.05) >= 0.01


def test_perfect_agreement_keeps_an_interval() -> None:
    found = agreement(neighbour_weights(np.arange(50.0)[:, None], 3), np.zeros(50, dtype=np.int64))
    assert found.value == found.interval.high == 1
    assert 0.9 < found.interval.low < 0.95


@pytest.mark.parametrize("seed", range(3))
def test_indices_are_those_of_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    predicted, labels = rng.random((2, 60)) < 0.5
    b = benefits(predicted, labels)
    assert set(b) <= {0, 1, 2}
    shares, relative = np.bincount(b, minlength=3) / 60, b / b.mean()
    logs = np.log(np.where(relative > 0, relative, 1.0))
    assert float(theil_index(shares)) == pytest.approx((relative * logs).mean())
    assert float(generalised_entropy(shares)) == pytest.approx(((relative**2 - 1) / 2).mean())


def test_equal_benefits_are_zero_and_no_benefits_undefined() -> None:
    for equal in ([0.0, 1.0, 0.0], [0.0, 0.0, 1.0]):
        assert theil_index(np.array(equal)) == generalised_entropy(np.array(equal)) == 0
    nobody = np.array([1.0, 0.0, 0.0])
    assert np.isnan(theil_index(nobody))
    assert np.isnan(generalised_entropy(nobody))


def test_intervals_of_the_indices_cover() -> None:
    rng = np.random.default_rng(0)
    truth = np.array([0.05, 0.85, 0.1])
    missed = 0
    for seed in range(300):
        counts = rng.multinomial(200, truth)
        low, high = quantiles(
            theil_index(drawn_shares(counts, key=seed, draws=500)), float(theil_index(counts / 200))
        )
        missed += not low <= float(theil_index(truth)) <= high
    assert stats.binom.sf(missed - 1, 300, 0.05) >= 0.01


def test_errors_that_did_not_occur_are_not_taken_to_be_impossible() -> None:
    drawn = theil_index(drawn_shares(np.array([0, 100, 0]), key=1))
    low, high = quantiles(drawn, 0.0)
    assert low == 0
    assert high > 0.005

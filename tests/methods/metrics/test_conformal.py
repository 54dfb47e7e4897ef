"""Mirrors auditkit/methods/metrics/conformal.py."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin

from auditkit.methods.metrics.conformal import (
    aps_scores,
    coverage_band,
    covered,
    fewest_for,
    lac_scores,
    quantile_of,
    rank_of,
    sets_of,
    too_low_p,
)

steady = settings(deadline=None, derandomize=True)


def drawn(n: int, seed: int, *, k: int = 5, sure: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (n, k) that are right, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, k)) * sure
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (probs.cumsum(axis=1) < rng.random(n)[:, None]).sum(axis=1).clip(max=k - 1)
    return probs, labels


@pytest.mark.parametrize("alpha", [0.5, 0.2, 0.1, 0.05, 0.01, 0.3])
def test_the_fewest_calibration_inputs(alpha: float) -> None:
    fewest = fewest_for(alpha)
    assert rank_of(fewest, alpha) <= fewest
    assert rank_of(fewest - 1, alpha) > fewest - 1
    assert quantile_of(np.arange(fewest - 1.0), alpha) is None
    assert quantile_of(np.arange(float(fewest)), alpha) is not None


def test_the_quantile_is_the_finite_sample_one() -> None:
    """Ceil(101 * .9) = 91st of 100; numpy's 0.9 quantile would be the 90th or between."""
    assert quantile_of(np.arange(1.0, 101.0), 0.1) == 91
    assert quantile_of(np.arange(1.0, 10.0), 0.1) == 9


@steady
@given(st.integers(0, 999))
def test_adaptive_scores_equal_a_slow_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probs, draws = rng.dirichlet(np.ones(4), size=3), rng.random(3)
    found = aps_scores(probs, draws)
    for i in range(3):
        for c in range(4):
            before = sum(p for p in probs[i] if p > probs[i, c])
            assert found[i, c] == pytest.approx(before + draws[i] * probs[i, c])


def test_sets_of_equal_probabilities_are_told_apart_by_index_alone() -> None:
    scores = aps_scores(np.full((1, 4), 0.25), np.array([0.5]))
    assert scores.tolist() == [[0.125, 0.375, 0.625, 0.875]]


def test_a_class_of_probability_zero_or_one() -> None:
    probs = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert sets_of(lac_scores(probs), 0.5).tolist() == [[True, False], [False, True]]
    assert covered(sets_of(lac_scores(probs), 0.5), np.array([0, 0])).tolist() == [True, False]
    assert not sets_of(lac_scores(np.full((1, 4), 0.25)), 0.5).any(), "a set can be empty"


@pytest.mark.parametrize(("calibration", "n"), [(19, 40), (100, 100), (500, 30)])
def test_the_band_and_the_p_value_equal_a_simulation(calibration: int, n: int) -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((4000, calibration + n))
    cut = np.sort(scores[:, :calibration], axis=1)[:, rank_of(calibration, 0.1) - 1]
    shares = (scores[:, calibration:] <= cut[:, None]).mean(axis=1)
    low, high = coverage_band(calibration, n, 0.1)
    assert (shares < low).mean() <= 0.025 + 0.01
    assert (shares > high).mean() <= 0.025 + 0.01
    assert ((shares >= low) & (shares <= high)).mean() < 0.999
    count = math.floor(n * 0.85)
    assert too_low_p(count, calibration, n, 0.1) == pytest.approx(
        (shares * n <= count + 1e-9).mean(), abs=0.03
    )
    assert shares.mean() == pytest.approx(rank_of(calibration, 0.1) / (calibration + 1), abs=0.006)


@pytest.mark.parametrize("method", ["lac", "aps"])
@pytest.mark.parametrize("runs", [60, pytest.param(500, marks=pytest.mark.slow)])
def test_coverage_is_nominal_over_repetitions(method: str, runs: int) -> None:
    """Inputs are exchangeable: over all of them ceil((m + 1) .9) / (m + 1) are covered."""
    hits = total = low = 0
    for seed in range(runs):
        probs, labels = drawn(200, seed)
        rng = np.random.default_rng(10_000 + seed)
        scores = lac_scores(probs) if method == "lac" else aps_scores(probs, rng.random(200))
        cut = quantile_of(scores[np.arange(100), labels[:100]], 0.1)
        assert cut is not None
        inside = covered(sets_of(scores[100:], cut), labels[100:])
        hits, total = hits + int(inside.sum()), total + 100
        low += too_low_p(int(inside.sum()), 100, 100, 0.1) <= 0.05
    spread = (0.09 / 100 + 0.09 / 101) ** 0.5 / runs**0.5  # of the mean coverage
    assert hits / total == pytest.approx(91 / 101, abs=3 * spread)
    assert stats.binom.sf(low - 1, runs, 0.05) >= 0.01


@pytest.mark.parametrize(("alpha", "size", "coverage"), [(0.1, 1.848, 0.92), (0.3, 0.96, 0.652)])
def test_equals_the_published_package(alpha: float, size: float, coverage: float) -> None:
    """Every set of MAPIE 1.6.0's LAC, run on the same draws in an environment of its own."""
    rng = np.random.default_rng(0)
    odds = np.exp(rng.normal(size=(400, 4)) * 2)
    probs = odds / odds.sum(axis=1, keepdims=True)
    labels = (probs.cumsum(axis=1) < rng.random(400)[:, None]).sum(axis=1).clip(max=3)
    scores = lac_scores(probs)
    cut = quantile_of(scores[np.arange(150), labels[:150]], alpha)
    assert cut is not None
    sets = sets_of(scores[150:], cut)
    assert sets.sum(axis=1).mean() == pytest.approx(size)
    assert covered(sets, labels[150:]).mean() == pytest.approx(coverage)


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.3])
def test_equals_mapie_where_it_is_installed(alpha: float) -> None:
    peer = pytest.importorskip("mapie.classification")

    class Given(ClassifierMixin, BaseEstimator):
        """Its inputs are the probabilities."""

        classes_ = np.arange(5)

        def __sklearn_is_fitted__(self) -> bool:
            return True

        def fit(self, _inputs: np.ndarray, _labels: np.ndarray) -> Given:
            return self

        def predict_proba(self, inputs: np.ndarray) -> np.ndarray:
            return inputs

        def predict(self, inputs: np.ndarray) -> np.ndarray:
            return inputs.argmax(axis=1)

    probs, labels = drawn(300, 0)
    model = peer.SplitConformalClassifier(
        Given(), confidence_level=1 - alpha, conformity_score="lac", prefit=True
    )
    theirs = model.conformalize(probs[:100], labels[:100]).predict_set(probs[100:])[1][:, :, 0]
    scores = lac_scores(probs)
    cut = quantile_of(scores[np.arange(100), labels[:100]], alpha)
    assert cut is not None
    assert (sets_of(scores[100:], cut) == theirs).all()

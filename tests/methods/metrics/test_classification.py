"""Mirrors auditkit/methods/metrics/classification.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as peer

from auditkit.methods.metrics.classification import (
    balanced_accuracy,
    best_temperature,
    brier_scores,
    confusion_matrix,
    log_losses,
    log_probabilities,
)

steady = settings(deadline=None, derandomize=True)


@steady
@given(seed=st.integers(0, 999), k=st.integers(2, 6), n=st.integers(1, 60))
def test_counts_equal_scikit_learn(seed: int, k: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    labels, predicted = rng.integers(0, k, size=(2, n))
    confusion = confusion_matrix(labels, predicted, classes=k)
    assert (confusion == peer.confusion_matrix(labels, predicted, labels=range(k))).all()
    occurs = np.unique(labels)
    recall = peer.recall_score(labels, predicted, labels=occurs, average="macro")
    assert balanced_accuracy(confusion) == pytest.approx(recall)


def test_balanced_accuracy_counts_classes_alike() -> None:
    """A model that always says the common class is at chance, whatever its accuracy."""
    labels = np.repeat([0, 1], [95, 5])
    confusion = confusion_matrix(labels, np.zeros(100, dtype=np.int64), classes=3)
    assert balanced_accuracy(confusion) == 0.5


@steady
@given(seed=st.integers(0, 999), k=st.integers(2, 6), scale=st.sampled_from([0.1, 3.0, 30.0]))
def test_scores_equal_scikit_learn(seed: int, k: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=scale, size=(40, k))
    labels = np.concatenate([np.arange(k), rng.integers(0, k, size=40 - k)])
    log_probs = log_probabilities(logits)
    probs = np.exp(log_probs)
    assert probs.sum(axis=1) == pytest.approx(1)
    nll = log_losses(log_probs, labels).mean()
    kept = probs.clip(1e-15, 1)
    if probs.min() > 1e-15:  # the peer clips below
        assert nll == pytest.approx(peer.log_loss(labels, kept / kept.sum(axis=1, keepdims=True)))
    brier = brier_scores(log_probs, labels).mean()
    assert brier == pytest.approx(
        peer.brier_score_loss(labels, probs, scale_by_half=False)  # pyright: ignore[reportArgumentType]
    )


def test_scores_of_two_classes_by_hand() -> None:
    log_probs = np.log([[0.8, 0.2]])
    assert brier_scores(log_probs, np.array([0])) == pytest.approx(2 * 0.2**2)
    assert brier_scores(log_probs, np.array([1])) == pytest.approx(2 * 0.8**2)
    assert log_losses(log_probs, np.array([1])) == pytest.approx(-np.log(0.2))


def test_extreme_logits_stay_finite() -> None:
    log_probs = log_probabilities(np.array([[1e4, 0.0]], dtype=np.float32))
    assert log_losses(log_probs, np.array([1])) == pytest.approx(1e4)
    assert brier_scores(log_probs, np.array([1])) == pytest.approx(2)


@pytest.mark.parametrize(("size", "right"), [(1.0, 90), (30.0, 75), (0.02, 60), (4.0, 51)])
def test_best_temperature_equals_its_closed_form(size: float, right: int) -> None:
    """Logits (size, 0) that are right with frequency p: p = 1 / (1 + exp(-size / T))."""
    logits = np.tile([size, 0.0], (100, 1))
    labels = (np.arange(100) >= right).astype(np.int64)
    wanted = size / np.log(right / (100 - right))
    assert best_temperature(logits, labels) == pytest.approx(wanted, rel=1e-3)


def test_best_temperature_is_finite_where_the_loss_has_no_minimum() -> None:
    logits = np.eye(3)
    assert np.exp(-7) <= best_temperature(logits, np.arange(3)) < 0.05
    assert 20 < best_temperature(logits, (np.arange(3) + 1) % 3) <= np.exp(7)

"""Mirrors auditkit/methods/metrics/calibrated_classes.py."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.methods.metrics.calibrated_classes import null_scores
from auditkit.methods.metrics.calibration import classwise_reliability
from auditkit.methods.metrics.classification import brier_scores, log_losses, log_probabilities


def test_equals_scores_of_labels_drawn_one_by_one() -> None:
    rng = np.random.default_rng(0)
    log_probs = log_probabilities(rng.normal(size=(60, 3)) * 2)
    probs = np.exp(log_probs)
    slow = np.empty((300, 3))
    for i in range(300):
        labels = np.array([rng.choice(3, p=row) for row in probs])
        tables = classwise_reliability(probs, labels)
        slow[i] = (
            np.mean([one.error for one in tables]),
            brier_scores(log_probs, labels).mean(),
            log_losses(log_probs, labels).mean(),
        )
    fast = null_scores(log_probs, seed=1, simulations=1000)
    for mine, theirs in zip((fast.classwise, fast.brier, fast.nll), slow.T, strict=True):
        assert mine.mean() == pytest.approx(theirs.mean(), abs=4 * theirs.std() / 300**0.5)
        assert mine.std() == pytest.approx(theirs.std(), rel=0.15)


def test_means_have_closed_forms() -> None:
    """The expected Brier score is 1 - sum p^2, the expected log loss the entropy."""
    log_probs = log_probabilities(np.random.default_rng(0).normal(size=(400, 5)))
    probs = np.exp(log_probs)
    found = null_scores(log_probs, seed=0, simulations=400)
    assert found.brier.mean() == pytest.approx((1 - (probs**2).sum(axis=1)).mean(), abs=2e-3)
    assert found.nll.mean() == pytest.approx(-(probs * log_probs).sum(axis=1).mean(), abs=4e-3)


def test_a_sure_model_scores_nothing_by_chance_whatever_n() -> None:
    """Probabilities are exactly 0 and 1 in floating point."""
    for n in (1, 5, 2000):
        sure = log_probabilities(np.tile([0.0, 900.0, 0.0], (n, 1)))
        found = null_scores(sure, seed=0, simulations=100)
        assert not found.classwise.any()
        assert not found.brier.any()
        assert not found.nll.any()

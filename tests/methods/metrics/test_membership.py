"""Mirrors auditkit/methods/metrics/membership.py."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_curve

from auditkit.methods.metrics.membership import (
    centred_by_class,
    log_odds,
    rate_interval,
    true_positive_rate,
)


def test_log_odds_are_those_of_the_true_class() -> None:
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(20, 4, generator=rng).double()
    labels = torch.randint(0, 4, (20,), generator=rng)
    p = logits.softmax(dim=1)[torch.arange(20), labels]
    odds = log_odds(logits, labels)
    assert torch.allclose(odds, (p / (1 - p)).log())
    loss = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    assert torch.allclose(loss, torch.log1p(torch.exp(-odds)))


def test_log_odds_do_not_saturate() -> None:
    odds = log_odds(torch.tensor([[200.0, 0.0], [300.0, 0.0]]), torch.tensor([0, 0]))
    assert odds.tolist() == [200.0, 300.0]


def test_every_class_is_shifted_by_its_own_median() -> None:
    scores, labels = np.array([1.0, 3.0, 8.0, 50.0, 70.0]), np.array([0, 0, 0, 1, 1])
    assert centred_by_class(scores, labels).tolist() == [-2, 0, 5, -10, 10]


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3])
def test_the_rate_is_a_point_of_sklearns_curve(rate: float) -> None:
    rng = np.random.default_rng(1)
    members, others = rng.normal(1, 1, 300), rng.normal(0, 1, 200)
    false, true, _ = roc_curve(
        np.r_[np.ones(300), np.zeros(200)], np.r_[members, others], drop_intermediate=False
    )
    assert true_positive_rate(members, others, rate=rate) == true[false <= rate + 1e-9].max()


def test_ties_are_on_neither_side() -> None:
    assert true_positive_rate(np.ones(9), np.ones(9), rate=0.5) == 0
    assert math.isnan(true_positive_rate(np.ones(0), np.ones(9), rate=0.5))


def test_few_others_bound_nothing_from_above() -> None:
    members, others = np.full(100, 9.0), np.zeros(100)
    assert true_positive_rate(members, others, rate=0.01) == 1
    assert rate_interval(members, others, rate=0.01).low == 0
    assert rate_interval(members, np.zeros(1000), rate=0.01).low > 0.9


def test_the_interval_covers() -> None:
    rng = np.random.default_rng(2)
    truth = float(stats.norm.sf(stats.norm.isf(0.05) - 1.5))
    missed = 0
    for _ in range(200):
        low, high = rate_interval(rng.normal(1.5, 1, 150), rng.normal(0, 1, 300), rate=0.05)
        missed += not low <= truth <= high
    assert stats.binom.sf(missed - 1, 200, 0.05) >= 0.01

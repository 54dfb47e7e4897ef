"""Mirrors auditkit/methods/metrics/label_free.py."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import logit, softmax

from auditkit.methods.metrics.label_free import (
    RULES,
    Answers,
    Estimator,
    atc_apply,
    atc_fit,
    certainty_of,
    odds_of,
)
from auditkit.types import Bools, Floats


def answers(confidence: Floats, agrees: Floats | None = None) -> Answers:
    odds = logit(confidence)
    return Answers(odds=odds, certainty=odds, agrees=agrees)


def calibrated(counts: dict[float, int]) -> tuple[Answers, Bools]:
    """Inputs at each confidence, of which exactly that share is right."""
    sizes = list(counts.values())
    correct = [np.arange(n) < round(p * n) for p, n in counts.items()]
    return answers(np.repeat(list(counts), sizes)), np.concatenate(correct)


def estimate(rule: str, known: Answers, correct: Bools, there: Answers) -> float:
    return Estimator.of(RULES[rule], known, correct, seed=0).estimate(there)


def test_doc_is_exact_where_confidence_keeps_its_meaning() -> None:
    """Calibrated here and there: only how often each confidence occurs is different."""
    known, correct = calibrated({0.6: 10, 0.8: 40, 0.9: 50})
    there, truth = calibrated({0.6: 60, 0.8: 20, 0.9: 10})
    assert estimate("doc", known, correct, there) == pytest.approx(truth.mean())
    assert estimate("unchanged", known, correct, there) == correct.mean() != truth.mean()


def test_doc_is_exact_where_overconfidence_stays_the_same() -> None:
    known, correct = calibrated({0.6: 10, 0.8: 40, 0.9: 50})
    there, truth = calibrated({0.6: 60, 0.8: 20, 0.9: 10})
    known, there = (answers(one.confidence + 0.05) for one in (known, there))
    assert estimate("doc", known, correct, there) == pytest.approx(truth.mean())


@pytest.mark.parametrize("rule", ["atc-confidence", "atc-entropy"])
def test_atc_is_exact_where_order_is_kept(rule: str) -> None:
    """Right wherever confidence is above 0.7, here and there; calibration does not matter."""
    rng = np.random.default_rng(0)
    here, there = rng.beta(4, 1, 200), rng.beta(2, 2, 300)
    found = estimate(rule, answers(here), here > 0.7, answers(there))
    between = ((there > 0.7) != (there >= here[here > 0.7].min())).mean()
    assert found == pytest.approx((there > 0.7).mean() - between)
    assert between < 0.01 < (here > 0.7).mean() - (there > 0.7).mean()


def test_atc_says_the_known_accuracy_of_the_known_inputs_ties_or_not() -> None:
    rng = np.random.default_rng(0)
    scores = np.round(rng.random((50, 30)), 1)
    correct = (rng.random((50, 30)) < np.linspace(0, 1, 50)[:, None]).astype(float)
    fitted = atc_fit(scores, correct)
    assert atc_apply(fitted, scores) == pytest.approx(correct.mean(axis=1))


def test_atc_of_a_model_that_is_always_wrong_or_always_right() -> None:
    scores = np.array([[0.1, 0.5, 0.9]])
    there = np.array([[0.05, 0.3, 2.0]])
    assert atc_apply(atc_fit(scores, np.zeros((1, 3))), there) == 0
    assert atc_apply(atc_fit(scores, np.ones((1, 3))), there) == pytest.approx(2 / 3)


def test_agreement_is_accuracy_where_answers_are_drawn_like_labels() -> None:
    """Every label and every answer of two models, as often as its probability says."""
    p = np.array([5, 3, 2])
    first, second, label = (one.ravel() for one in np.meshgrid(*[np.repeat(range(3), p)] * 3))
    there = answers(np.full(1000, 0.5), (first == second).astype(float))
    correct = first == label
    assert correct.mean() == (p**2).sum() / 100
    assert estimate("agreement", there, correct, there) == pytest.approx(correct.mean())


def test_the_gap_between_agreement_and_accuracy_is_carried_along() -> None:
    known = answers(np.full(10, 0.5), np.repeat([1.0, 0.0], [8, 2]))
    there = answers(np.full(10, 0.5), np.repeat([1.0, 0.0], [5, 5]))
    correct = np.arange(10) < 9
    assert estimate("agreement-difference", known, correct, there) == pytest.approx(0.9 - 0.3)
    assert estimate("agreement", known, correct, there) == 0.5


def test_odds_and_entropy_are_those_of_the_probabilities() -> None:
    logits = np.random.default_rng(0).normal(size=(20, 5)) * 3
    p = softmax(logits, axis=1)
    assert odds_of(logits) == pytest.approx(logit(p.max(axis=1)))
    assert certainty_of(logits) == pytest.approx(-np.log(stats.entropy(p, axis=1)))
    sure = np.array([[60.0, 0.0], [61.0, 0.0], [2000.0, 0.0]])  # all have probability 1 in float64
    assert odds_of(sure).tolist() == [60, 61, 2000]
    assert np.isfinite(certainty_of(sure)).all()
    assert (np.diff(certainty_of(sure)) > 0).all()


@pytest.mark.parametrize("rule", ["atc-confidence", "doc", "agreement-difference", "unchanged"])
def test_intervals_hold_what_a_rule_says_of_all_inputs_and_its_error(rule: str) -> None:
    """What endless samples would say, in at least 45 of 50 pairs of samples."""

    def sample(n: int, a: float, rng: np.random.Generator) -> tuple[Answers, Bools]:
        confidence = rng.beta(a, 1, n) / 2 + 0.5
        right = rng.random(n) < confidence - 0.05
        return answers(confidence, (rng.random(n) < confidence).astype(float)), right

    rng = np.random.default_rng(0)
    known, there = sample(100_000, 3, rng), sample(100_000, 1, rng)
    whole = RULES[rule]
    fitted = whole.fit(whole.reads(known[0])[None], known[1][None].astype(float))
    true = float(whole.apply(fitted, whole.reads(there[0])[None])[0])
    held = np.zeros(2)
    for seed in range(50):
        (here, correct), (new, truth) = sample(150, 3, rng), sample(100, 1, rng)
        rule_here = Estimator.of(whole, here, correct, seed=seed)
        interval, name = rule_here.interval(new, seed=seed + 1000)
        error, _ = rule_here.interval(new, seed=seed + 1000, correct=truth)
        assert name == "bootstrap"
        gap = true - there[1].mean()
        held += [interval.low <= true <= interval.high, error.low <= gap <= error.high]
    assert (held >= 45).all(), held


def test_an_estimate_without_spread_keeps_an_interval() -> None:
    known, there = answers(np.full(40, 0.9)), answers(np.full(60, 0.9))
    one = Estimator.of(RULES["unchanged"], known, np.ones(40, dtype=bool), seed=0)
    (low, high), name = one.interval(there, seed=1)
    assert name == "clopper-pearson-scaled"
    assert (one.estimate(there), high) == (1, 1)
    assert low == pytest.approx(0.025 ** (1 / 40))  # Clopper-Pearson of 40 in 40

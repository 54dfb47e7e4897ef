"""Mirrors auditkit/checks/robustness/fgsm_linf.py."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from auditkit.checks.base import NotApplicable
from auditkit.checks.robustness.fgsm_linf import FgsmLinf
from auditkit.checks.robustness.pgd_linf import PgdLinf
from auditkit.errors import ConfigError
from tests.methods.attacks.subjects import (
    Wrapped,
    clear_subject,
    feature_subject,
    like,
    trained_digits,
    valley_subject,
)
from tests.subjects import Subject, image_data, linear_subject, measured, run_check, values

CHECK = FgsmLinf(epsilons=(0.02, 0.05))
REVEALS = "robust_accuracy"


def broken() -> Subject:
    """A right answer that rests on fifteen pixels, each of them less than epsilon apart."""
    return feature_subject(robust=False)


def sound() -> Subject:
    """A right answer that rests on one pixel, far apart."""
    return feature_subject(robust=True)


@given(seed=st.integers(0, 999), epsilon=st.floats(0.005, 0.1))
@settings(deadline=None, max_examples=25)
def test_equals_the_closed_form_on_a_linear_model(seed: int, epsilon: float) -> None:
    subject = clear_subject(seed)
    slack = subject.margins - epsilon * subject.weight.abs().sum()
    correct = subject.margins > 0
    assume(correct.any() and slack.abs().min() > 1e-4)  # rounding decides ties
    found = values(measured(FgsmLinf(epsilons=(epsilon,)), subject))
    kept = int((slack > 0).sum())
    assert found[f"robust_accuracy/epsilon={epsilon!r}"] == pytest.approx(kept / len(slack))
    assert found[f"attack_success_rate/epsilon={epsilon!r}"] == pytest.approx(
        1 - kept / int(correct.sum())
    )


def test_an_attack_cannot_repair_a_wrong_answer() -> None:
    assert values(measured(FgsmLinf(epsilons=(0.2,)), valley_subject())) == {
        "robust_accuracy/epsilon=0.2": 0.0,
        "attack_success_rate/epsilon=0.2": 1.0,
        "zero_gradient_share": 0.0,
    }


def test_many_steps_are_never_weaker_than_one() -> None:
    epsilons = (0.02, 0.05, 0.1)
    one = values(measured(FgsmLinf(epsilons=epsilons), trained_digits()))
    many = values(measured(PgdLinf(epsilons=epsilons), trained_digits()))
    for epsilon in epsilons:
        name = f"robust_accuracy/epsilon={epsilon}"
        assert (many[name] or 0) <= (one[name] or 0)


def test_a_masked_gradient_shows_in_the_control() -> None:
    subject = feature_subject(robust=False)
    outcome = measured(CHECK, like(subject, Wrapped(subject.model.module, quantised=True)))
    found = values(outcome)
    assert found["zero_gradient_share"] == 1
    assert found["robust_accuracy/epsilon=0.05"] == 1  # the number that the control takes back
    assert outcome.findings[0].controls == ["fgsm-linf/zero_gradient_share/all"]


def test_without_a_right_answer_there_is_nothing_to_attack() -> None:
    subject = linear_subject(0)
    wrong = 1 - subject.model.predict(subject.artifacts.images).argmax(dim=1)
    outcome = run_check(CHECK, Subject(subject.model, image_data(subject.artifacts.images, wrong)))
    assert isinstance(outcome, NotApplicable)


def test_radii_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="epsilons"):
        FgsmLinf(epsilons=(0.1, 8.0))

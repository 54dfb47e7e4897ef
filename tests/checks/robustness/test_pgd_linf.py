"""Mirrors auditkit/checks/robustness/pgd_linf.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from auditkit.artifacts.base import Artifacts
from auditkit.checks.base import NotApplicable
from auditkit.checks.robustness.fgsm_linf import FgsmLinf
from auditkit.checks.robustness.pgd_linf import PgdLinf
from auditkit.errors import ConfigError, DataError
from auditkit.findings import Curve, ImageExhibit
from auditkit.models.classifier import ImageClassifier
from auditkit.result import Execution
from tests.methods.attacks.subjects import (
    Wrapped,
    clear_subject,
    feature_subject,
    like,
    trained_digits,
    valley_subject,
)
from tests.subjects import Subject, image_data, linear_subject, measured, run_check, values

CHECK = PgdLinf(epsilons=(0.02, 0.05), steps=10)
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
    """For a linear score the worst point of the ball costs exactly epsilon * ||w||_1 of margin."""
    subject = clear_subject(seed)
    slack = subject.margins - epsilon * subject.weight.abs().sum()
    correct = subject.margins > 0
    assume(correct.any() and slack.abs().min() > 1e-4)  # rounding decides ties
    found = values(measured(PgdLinf(epsilons=(epsilon,), steps=10), subject))
    kept = int((slack > 0).sum())
    assert found[f"robust_accuracy/epsilon={epsilon!r}"] == pytest.approx(kept / len(slack))
    assert found[f"attack_success_rate/epsilon={epsilon!r}"] == pytest.approx(
        1 - kept / int(correct.sum())
    )
    assert found["zero_gradient_share"] == 0
    assert found["unbounded_robust_accuracy"] == 0


def test_an_attack_cannot_repair_a_wrong_answer() -> None:
    """Of two inputs one is wrong before the attack, which would move it to a right answer."""
    found = values(measured(PgdLinf(epsilons=(0.2,)), valley_subject()))
    assert found["robust_accuracy/epsilon=0.2"] == 0
    assert found["attack_success_rate/epsilon=0.2"] == 1


def test_results_nest_over_epsilons_and_steps() -> None:
    subject = trained_digits()
    few = measured(PgdLinf(epsilons=(0.02, 0.05, 0.1), steps=1), subject)
    many = measured(PgdLinf(epsilons=(0.02, 0.05, 0.1), steps=20), subject)
    for outcome in (few, many):
        curve = outcome.evidence["curve"]
        assert isinstance(curve, Curve)
        assert curve.series[0].x == [0, 0.02, 0.05, 0.1]
        y = [one or 0.0 for one in curve.series[0].y]
        assert y == sorted(y, reverse=True)
        clean = (subject.model.predict(subject.artifacts.images).argmax(1)).eq(
            subject.artifacts.labels
        )
        assert y[0] == pytest.approx(float(clean.float().mean()))
    for weak, strong in zip(few.findings, many.findings, strict=True):
        if weak.metric == "robust_accuracy":
            assert (strong.value or 0) <= (weak.value or 0)


def test_many_steps_find_more_than_one() -> None:
    """On a curved model; on a linear one a single step is already the worst point."""
    subject = trained_digits()
    one = values(measured(FgsmLinf(epsilons=(0.1,)), subject))["robust_accuracy/epsilon=0.1"]
    many = values(measured(PgdLinf(epsilons=(0.1,)), subject))["robust_accuracy/epsilon=0.1"]
    assert (many or 0) < (one or 0)


def test_epsilon_is_a_share_of_the_bounds() -> None:
    """The same curved model on grey levels 0 to 255 gives the same numbers."""
    plain, check = trained_digits(), PgdLinf(epsilons=(0.05, 0.1))
    old, images = plain.model, 255 * plain.artifacts.images
    assert isinstance(old, ImageClassifier)
    scaled = ImageClassifier(
        old.module, classes=old.classes, input_shape=old.input_shape, bounds=(0, 255), std=(255.0,)
    )
    data = image_data(images, plain.artifacts.labels, classes=old.classes)
    found = values(measured(check, Subject(scaled, data)))
    for name, value in values(measured(check, plain)).items():
        assert found[name] == pytest.approx(value, abs=0.011), name  # rounding may cost one or two


def test_a_masked_gradient_shows_in_the_controls() -> None:
    subject = feature_subject(robust=False)
    masked = like(subject, Wrapped(subject.model.module, quantised=True))
    outcome = measured(CHECK, masked)
    assert values(outcome)["zero_gradient_share"] == 1
    for finding in outcome.findings:
        if finding.metric == "robust_accuracy":
            assert finding.controls[:2] == [
                "pgd-linf/zero_gradient_share/all",
                "pgd-linf/unbounded_robust_accuracy/all",
            ]


def test_a_model_that_ignores_its_input_fails_both_controls() -> None:
    subject = linear_subject(0)
    constant = like(subject, Wrapped(subject.model.module, scale=0.0))
    found = values(measured(CHECK, constant))
    assert found["zero_gradient_share"] == 1
    share = float((subject.artifacts.labels == 0).float().mean())  # logits [0, 0]: class 0
    assert found["unbounded_robust_accuracy"] == pytest.approx(share)


def test_without_a_right_answer_there_is_nothing_to_attack() -> None:
    subject = linear_subject(0)
    wrong = 1 - subject.model.predict(subject.artifacts.images).argmax(dim=1)
    outcome = run_check(CHECK, Subject(subject.model, image_data(subject.artifacts.images, wrong)))
    assert isinstance(outcome, NotApplicable)
    assert "no input is classified correctly" in outcome.reason


def test_images_outside_the_bounds_are_named() -> None:
    subject = linear_subject(0)
    images = subject.artifacts.images.clone()
    images[4] *= 255
    with pytest.raises(DataError, match="'00004'"):
        run_check(CHECK, Subject(subject.model, image_data(images, subject.artifacts.labels)))


def test_bfloat16_search_keeps_the_verdict_of_float32() -> None:
    subject = trained_digits()
    assert isinstance(subject.model, ImageClassifier)
    execution = Execution(search_dtype="bfloat16", layout="channels_last")
    plain = measured(PgdLinf(epsilons=(0.1,)), subject)
    try:
        subject.model.configure(execution)
        cheap = measured(PgdLinf(epsilons=(0.1,)), subject, execution=execution)
    finally:
        subject.model.configure(Execution())
    assert abs((cheap.findings[0].value or 0) - (plain.findings[0].value or 0)) <= 0.02


def test_records_shards_and_order() -> None:
    subject = trained_digits()
    positions = np.arange(60)
    whole = CHECK.measure(Artifacts(subject.model, subject.data, positions))
    back = CHECK.measure(Artifacts(subject.model, subject.data, positions[::-1]))
    assert np.array_equal(whole["flip_epsilon"], back["flip_epsilon"][::-1])
    assert np.array_equal(whole["flip_epsilon"] == 0, ~whole["correct"])


def test_exhibits_show_what_flipped() -> None:
    outcome = measured(PgdLinf(epsilons=(0.05, 0.1)), trained_digits())
    worst = outcome.evidence["worst"]
    assert isinstance(worst, ImageExhibit)
    assert [panel.label for panel in worst.rows[0].panels] == [
        "clean", "perturbed", "difference x 10",
    ]  # fmt: skip
    first = worst.rows[0].caption
    truth, clean, changed = first.split("; ")
    assert "epsilon 0.05" in changed
    assert clean.removeprefix("clean: ").split()[0] == truth.removeprefix("true class ")
    assert changed.split(": ")[1].split()[0] != truth.removeprefix("true class ")
    assert {"curve", "worst", "random", "boundary"} <= set(outcome.evidence)


@pytest.mark.parametrize(
    "bad", [(), (0.0,), (-0.1,), (8.0,), (0.1, 0.05), (0.1, 0.1), (float("nan"),)]
)
def test_radii_that_make_no_sense_are_refused(bad: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="epsilons"):
        PgdLinf(epsilons=bad)


def test_steps_below_one_are_refused() -> None:
    with pytest.raises(ConfigError, match="steps is 0"):
        PgdLinf(steps=0)


def test_the_model_keeps_no_gradients() -> None:
    subject = linear_subject(0)
    measured(CHECK, subject)
    assert all(p.grad is None for p in subject.model.module.parameters())

"""Mirrors auditkit/checks/robustness/deepfool_l2.py."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.checks.base import NotApplicable
from auditkit.checks.robustness.deepfool_l2 import DeepfoolL2
from auditkit.errors import ConfigError
from auditkit.findings import Bars
from auditkit.models.classifier import ImageClassifier
from tests.methods.attacks.subjects import (
    Wrapped,
    clear_subject,
    feature_subject,
    like,
    trained_digits,
    valley_subject,
)
from tests.subjects import LinearSubject, Subject, image_data, linear_subject, measured, run_check
from tests.subjects import values as values_of

CHECK = DeepfoolL2(radii=(0.05, 0.1), steps=20)
REVEALS = "median_distance"


def broken() -> Subject:
    """A right answer that rests on fifteen pixels that differ by 0.02."""
    return feature_subject(robust=False)


def sound() -> Subject:
    """A right answer that rests on one pixel, far apart."""
    return feature_subject(robust=True)


def wide(subject: LinearSubject, scale: float = 1.0) -> Subject:
    """The subject with bounds so far away that they never cut a step."""
    old = subject.model
    assert isinstance(old, ImageClassifier)
    model = ImageClassifier(
        old.module, classes=old.classes, input_shape=old.input_shape,
        bounds=(-4.5 * scale, 5.5 * scale), std=(scale,),
    )  # fmt: skip
    return Subject(model, image_data(scale * subject.artifacts.images, subject.artifacts.labels))


@pytest.mark.parametrize("scale", [1.0, 25.0])
@pytest.mark.parametrize("seed", range(3))
def test_distances_equal_the_closed_form_on_a_linear_model(seed: int, scale: float) -> None:
    """The nearest wrong answer lies |margin| / ||w||_2 away: of the range, which is 10 here."""
    subject = clear_subject(seed)
    margins, norm = subject.margins.double().numpy(), float(subject.weight.norm())
    records = CHECK.measure(wide(subject, scale).artifacts)
    expected = np.where(margins > 0, margins / norm / 10, 0)
    assert records["distance"] == pytest.approx(expected, abs=1e-4)
    found = values_of(measured(CHECK, wide(subject, scale)))
    assert found["median_distance"] == pytest.approx(np.median(expected[expected > 0]), abs=1e-4)
    assert found["already_wrong"] == pytest.approx(np.mean(margins <= 0))
    assert found["failure_share"] == 0
    for radius in CHECK.radii:
        assert found[f"robust_accuracy/radius={radius}"] == pytest.approx(
            np.mean(expected > radius), abs=1 / len(expected)
        )


def test_failures_are_counted_and_are_no_distance() -> None:
    subject = feature_subject(robust=False)
    masked = like(subject, Wrapped(subject.model.module, quantised=True))
    outcome = measured(CHECK, masked)
    found = values_of(outcome)
    assert found["failure_share"] == 1
    assert found["median_distance"] is None
    histogram = outcome.evidence["histogram"]
    assert isinstance(histogram, Bars)
    assert histogram.bars[-1].label == "nothing found"
    assert histogram.bars[-1].value == len(subject.data)
    robust = next(one for one in outcome.findings if one.metric == "robust_accuracy")
    assert robust.controls == ["deepfool-l2/failure_share/all"]


def test_an_attack_cannot_repair_a_wrong_answer() -> None:
    records = CHECK.measure(valley_subject().artifacts)
    assert records["distance"] == pytest.approx([0, 0.15], abs=1e-3)


def test_shown_points_are_wrong_and_the_curve_agrees_with_the_records() -> None:
    subject = trained_digits()
    outcome = measured(DeepfoolL2(), subject)
    worst = outcome.evidence["worst"].rows[0].caption  # type: ignore[union-attr]
    truth, _, changed = worst.split("; ")
    assert changed.split(": ")[1].split()[0] != truth.removeprefix("true class ")
    median = outcome.findings[0]
    assert median.low is not None
    assert median.high is not None
    assert median.low <= (median.value or 0) <= median.high
    assert 0.2 < (median.value or 0) < 1.5


def test_without_a_right_answer_there_is_nothing_to_attack() -> None:
    subject = linear_subject(0)
    wrong = 1 - subject.model.predict(subject.artifacts.images).argmax(dim=1)
    outcome = run_check(CHECK, Subject(subject.model, image_data(subject.artifacts.images, wrong)))
    assert isinstance(outcome, NotApplicable)


def test_parameters_are_checked() -> None:
    with pytest.raises(ConfigError, match="radii"):
        DeepfoolL2(radii=(1.0, 0.5))
    with pytest.raises(ConfigError, match="steps is 0"):
        DeepfoolL2(steps=0)

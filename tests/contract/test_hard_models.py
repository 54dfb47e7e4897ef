"""What attacks say of models and images on which no number would be true."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from auditkit.checks.base import Check, Measured, NotApplicable
from auditkit.checks.catalogue import BUILT_IN
from auditkit.errors import AuditkitError
from tests.contract.test_checks import test_module
from tests.methods.attacks.subjects import feature_subject, like
from tests.subjects import Subject, image_data, run_check

ATTACKS = [
    kind
    for kind in BUILT_IN
    if kind.meta.family == "robustness" and "image" in kind.meta.modalities
]
EACH = pytest.mark.parametrize("kind", ATTACKS, ids=lambda kind: kind.meta.id)
HOLDS = ("robust_accuracy", "remedied_robust_accuracy", "certified_accuracy")


class Void(nn.Module):
    """Answers NaN, whatever it sees."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.full((len(images), 2), torch.nan) + 0 * images.flatten(1).sum(1, keepdim=True)


def outcome(kind: type[Check], subject: Subject) -> Measured | NotApplicable | AuditkitError:
    check = test_module(kind).CHECK
    try:
        return check.applies(subject.model, subject.data) or run_check(check, subject)
    except AuditkitError as error:
        return error


def says_why(result: NotApplicable | AuditkitError) -> str:
    said = result.reason if isinstance(result, NotApplicable) else str(result)
    assert len(said) > 20
    return said


def assert_nothing_holds(result: Measured | NotApplicable | AuditkitError) -> None:
    if not isinstance(result, Measured):
        says_why(result)
        return
    for one in result.findings:
        assert one.metric not in HOLDS or not one.value, one.id


@EACH
def test_a_model_that_answers_nan_is_never_called_robust(kind: type[Check]) -> None:
    result = outcome(kind, like(feature_subject(robust=False), Void()))
    assert_nothing_holds(result)


@EACH
def test_a_model_that_is_always_wrong_is_never_called_robust(kind: type[Check]) -> None:
    subject = feature_subject(robust=False)
    answers = subject.model.predict(subject.artifacts.images).argmax(dim=1).numpy()
    result = outcome(kind, Subject(subject.model, replace(subject.data, labels=1 - answers)))
    assert_nothing_holds(result)


@EACH
def test_images_outside_the_bounds_are_refused_with_their_range(kind: type[Check]) -> None:
    subject = feature_subject(robust=False)
    loud = image_data(255 * subject.artifacts.images, subject.artifacts.labels)
    result = outcome(kind, Subject(subject.model, loud))
    assert not isinstance(result, Measured)
    if not isinstance(result, NotApplicable):
        assert kind.meta.id == "transfer" or "bounds" in says_why(result)

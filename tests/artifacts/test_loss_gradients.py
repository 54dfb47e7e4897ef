"""Mirrors auditkit/artifacts/loss_gradients.py."""

from __future__ import annotations

import torch

from auditkit.artifacts.loss_gradients import LossGradients
from auditkit.artifacts.predictions import Predictions
from tests.methods.attacks.subjects import Wrapped, like
from tests.subjects import linear_subject


def test_a_linear_models_gradient_is_its_weight_against_the_label() -> None:
    subject = linear_subject(0)
    found = subject.artifacts[LossGradients]
    side = (2 * subject.artifacts.labels - 1).float()[:, None]
    assert torch.allclose(found.values.flatten(1), -side * subject.weight)
    assert found.usable.all()


def test_rounded_inputs_have_no_usable_gradient() -> None:
    subject = linear_subject(0)
    masked = like(subject, Wrapped(subject.model.module, quantised=True))
    assert not masked.artifacts[LossGradients].usable.any()


def test_they_are_let_go_with_the_inputs_and_come_again() -> None:
    artifacts = linear_subject(0).artifacts
    first = artifacts[LossGradients]
    predictions = artifacts[Predictions]
    artifacts.forget_inputs()
    again = artifacts[LossGradients]
    assert again is not first
    assert torch.equal(again.values, first.values)
    assert artifacts[Predictions] is predictions  # small, so it is kept

"""Mirrors auditkit/artifacts/loss_gradients.py."""

from __future__ import annotations

import torch

from auditkit.artifacts.loss_gradients import LossGradients
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

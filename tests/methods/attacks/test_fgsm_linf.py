"""Mirrors auditkit/methods/attacks/fgsm_linf.py."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from auditkit.methods.attacks.fgsm_linf import fgsm_linf
from tests.subjects import linear_subject


@given(seed=st.integers(0, 999), epsilon=st.floats(0.001, 0.25))
def test_costs_a_linear_model_the_whole_l1_norm(seed: int, epsilon: float) -> None:
    subject = linear_subject(seed)
    images = subject.artifacts.images
    labels = subject.artifacts.labels
    side = (2 * labels - 1).view(-1, 1, 1, 1)
    gradients = -side * subject.weight.view(1, *images.shape[1:])
    moved = fgsm_linf(images, gradients, epsilon=epsilon, bounds=(0.0, 1.0))
    margins = side.flatten() * (moved.flatten(1) @ subject.weight + subject.bias)
    assert torch.allclose(
        margins, subject.margins - epsilon * subject.weight.abs().sum(), atol=1e-5
    )


def test_gradients_that_are_zero_or_nan_move_nothing() -> None:
    images = torch.full((2, 1, 2, 2), 0.5)
    gradients = torch.stack([torch.zeros(1, 2, 2), torch.full((1, 2, 2), torch.nan)])
    assert torch.equal(fgsm_linf(images, gradients, epsilon=0.1, bounds=(0, 1)), images)

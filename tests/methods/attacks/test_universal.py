"""Mirrors auditkit/methods/attacks/universal.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.universal import universal_linf
from tests.methods.attacks.subjects import trained_digits
from tests.subjects import linear_subject


def fooled(change: Tensor, n: int = 100) -> int:
    subject = trained_digits()
    images, labels = subject.artifacts.images[:n], subject.artifacts.labels[:n]
    return int(judged(subject.model.logits, (images + change).clamp(0, 1), labels).sum())


def searched(steps: int, *, epsilon: float = 0.15, batch_size: int = 40) -> Tensor:
    subject = trained_digits()
    return universal_linf(
        subject.model.logits,
        subject.artifacts.images[:100],
        subject.artifacts.labels[:100],
        epsilon=epsilon,
        bounds=(0.0, 1.0),
        start=torch.zeros(1, 8, 8),
        steps=steps,
        batch_size=batch_size,
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_equals_the_closed_form_on_one_class_of_a_linear_model(seed: int, scale: float) -> None:
    """All inputs of a class are pushed the same way: exactly those within reach fall."""
    subject = linear_subject(seed, wrong=0)
    rows = (subject.artifacts.labels == 1).nonzero()[:, 0]
    epsilon = 0.03
    reach = epsilon * float(subject.weight.abs().sum())
    change = universal_linf(
        lambda points: scale * subject.model.logits(points),
        subject.artifacts.images[rows],
        subject.artifacts.labels[rows],
        epsilon=epsilon,
        bounds=(0.0, 1.0),
        start=torch.zeros(1, 4, 4),
        steps=20,
    )
    moved = subject.model.logits(subject.artifacts.images[rows] + change)
    assert int((moved.argmax(dim=1) == 0).sum()) == int((subject.margins[rows] < reach).sum())
    assert float(change.abs().max()) <= epsilon


def test_more_steps_never_fool_fewer() -> None:
    counts = [fooled(searched(steps)) for steps in (0, 3, 20, 60)]
    assert counts == sorted(counts)
    assert counts[-1] > 3 * counts[0]


def test_far_more_than_random_signs() -> None:
    rng = torch.Generator().manual_seed(0)
    signs = torch.randn(20, 1, 8, 8, generator=rng).sign()
    assert fooled(searched(60)) > 2 * max(fooled(0.15 * one) for one in signs)


def test_stays_within_the_radius_and_starts_where_it_is_told() -> None:
    assert float(searched(30, epsilon=0.05).abs().max()) <= 0.05 + 1e-8
    start = torch.full((1, 8, 8), 9.0)
    subject = trained_digits()
    change = universal_linf(
        subject.model.logits,
        subject.artifacts.images[:10],
        subject.artifacts.labels[:10],
        epsilon=0.05,
        bounds=(0.0, 1.0),
        start=start,
        steps=0,
    )
    assert torch.equal(change, torch.full((1, 8, 8), 0.05))

"""Mirrors auditkit/methods/attacks/targeted.py."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.ball import LinfBall
from auditkit.methods.attacks.targeted import targeted_apgd
from auditkit.models.classifier import ImageClassifier
from tests.methods.attacks.subjects import trained_digits
from tests.methods.attacks.test_apgd import held


def test_it_finds_what_the_likeliest_class_hides() -> None:
    """Class 1 is second but cannot be reached; class 2 is third and can."""

    class Decoy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            u, v = x.flatten(1).unbind(dim=1)
            near = 0.9 - 0.1 * (u - 0.5).square()  # rises towards the middle, never wins
            return torch.stack([torch.ones_like(u), near, 0.2 + v], dim=1)

    images = torch.full((1, 1, 1, 2), 0.5)
    labels = torch.tensor([0])
    ball = LinfBall(images, epsilon=0.4, bounds=(0.0, 1.0))
    points = targeted_apgd(Decoy(), labels, ball=ball, start=images.clone())
    assert judged(Decoy(), points, labels).all()
    assert not judged(
        Decoy(), targeted_apgd(Decoy(), labels, ball=ball, start=images.clone(), classes=1), labels
    ).any()


def test_it_stays_in_the_ball_and_is_no_weaker_than_one_loss() -> None:
    subject = trained_digits()
    model, images, labels = subject.model, subject.artifacts.images, subject.artifacts.labels
    assert isinstance(model, ImageClassifier)
    for epsilon in (0.05, 0.08):
        ball = LinfBall(images, epsilon=epsilon, bounds=model.bounds)
        points = targeted_apgd(model.logits, labels, ball=ball, start=images.clone())
        assert (ball.distance(points) <= epsilon).all()
        kept = ~judged(model.logits, points, labels)
        assert int(kept.sum()) <= int(held(subject, epsilon=epsilon, steps=100).sum()) + 1


def test_two_classes_and_nothing_left() -> None:
    layer = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    images = torch.rand(3, 1, 2, 2)
    ball = LinfBall(images, epsilon=1.0, bounds=(0.0, 1.0))
    labels = layer(images).argmax(1)
    points = targeted_apgd(layer, labels, ball=ball, start=images.clone())
    assert points.shape == images.shape
    none = ball.of(torch.zeros(0, dtype=torch.int64))
    assert len(targeted_apgd(layer, labels[:0], ball=none, start=images[:0])) == 0

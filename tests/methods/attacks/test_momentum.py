"""Mirrors auditkit/methods/attacks/momentum.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.ball import BALLS, Norm
from auditkit.methods.attacks.momentum import STEP, momentum
from tests.methods.attacks.subjects import clear_subject, trained_digits


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_equals_the_closed_form_on_a_linear_model(norm: Norm) -> None:
    subject = clear_subject(2)
    cost = subject.weight.abs().sum() if norm == "linf" else subject.weight.norm()
    slack = subject.margins - 0.05 * cost
    ball = BALLS[norm](subject.artifacts.images, epsilon=0.05, bounds=(0.0, 1.0))
    labels = subject.artifacts.labels
    fooled = judged(
        subject.model.logits, momentum(subject.model.logits, labels, ball=ball, steps=15), labels
    )
    clear = slack.abs() > 1e-3
    assert torch.equal(fooled[clear], (slack <= 0)[clear])


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_more_steps_never_lose_a_success_and_points_stay_in_the_ball(norm: Norm) -> None:
    subject = trained_digits()
    images, labels = subject.artifacts.images[:60], subject.artifacts.labels[:60]
    ball = BALLS[norm](images, epsilon={"linf": 0.08, "l2": 0.4, "l1": 1.5}[norm], bounds=(0, 1))
    before = torch.zeros(60, dtype=torch.bool)
    for steps in (1, 4, 12, 30):
        points = momentum(subject.model.logits, labels, ball=ball, steps=steps)
        assert (ball.distance(points) <= ball.epsilon).all()
        fooled = judged(subject.model.logits, points, labels)
        assert not (before & ~fooled).any()
        before = fooled
    assert before.sum() > 12


def test_momentum_carries_over_a_ridge() -> None:
    """The gradient of the second number changes sign all the time; its sum points nowhere."""
    seen: list[Tensor] = []

    def ridge(points: Tensor) -> Tensor:
        seen.append(points.detach().clone())
        x, y = points.flatten(1).unbind(1)
        score = x - 0.95 - 3 * (y - 0.501).abs()
        return torch.stack([torch.zeros_like(score), score], dim=1)

    ball = BALLS["linf"](torch.full((1, 2), 0.5), epsilon=0.4, bounds=(0.0, 1.0))
    momentum(ridge, torch.tensor([0]), ball=ball, steps=6)
    stride = STEP * 0.4
    assert [float(one[0, 0]) for one in seen] == pytest.approx(
        [0.5 + stride * i for i in range(6)], abs=1e-5
    )
    # Scaled gradients of the second number: +, -, -, +, +, -; their sums: +, 0, -, 0, +, 0.
    ups = [0, 1, 1, 0, 0, 1]
    assert [float(one[0, 1]) for one in seen] == pytest.approx(
        [0.5 + stride * up for up in ups], abs=1e-5
    )
    blind = momentum(lambda x: torch.zeros(len(x), 2), torch.tensor([0]), ball=ball, steps=3)
    assert torch.equal(blind, ball.inputs)


def test_a_search_that_lies_stops_nothing() -> None:
    """The cheap model says that everything is misclassified, and has the right gradients."""
    subject = trained_digits()
    images, labels = subject.artifacts.images[:40], subject.artifacts.labels[:40]
    model = subject.model.logits
    ball = BALLS["linf"](images, epsilon=0.08, bounds=(0.0, 1.0))
    plain = judged(model, momentum(model, labels, ball=ball, steps=12), labels)

    def liar(points: Tensor) -> Tensor:
        scores = model(points)
        return scores - 100 * torch.nn.functional.one_hot(scores.argmax(1), 10)

    lied = momentum(model, labels, ball=ball, steps=12, search=liar)
    assert judged(model, lied, labels).sum() > 0
    assert plain.sum() > 0
    assert not torch.equal(lied, images)
    held = ~judged(model, lied, labels)
    assert (ball.distance(lied)[held] > 0.01).all()  # whoever holds went on to the end

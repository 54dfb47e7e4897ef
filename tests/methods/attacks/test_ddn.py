"""Mirrors auditkit/methods/attacks/ddn.py."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.ddn import ddn
from auditkit.methods.attacks.hyperplane import size_of
from auditkit.methods.attacks.nearest import Nearest
from tests.methods.attacks.subjects import clear_subject, trained_digits


def start(images: Tensor, labels: Tensor, *, bounds: tuple[float, float] = (0.0, 1.0)) -> Nearest:
    return Nearest(images, labels, norm="l2", bounds=bounds)


def test_distance_on_a_linear_model() -> None:
    """To a hundredth: no step ends exactly at the foot of the perpendicular."""
    subject = clear_subject(1)
    (rows,) = torch.where(subject.margins > 0)
    nearest = start(subject.artifacts.images[rows], subject.artifacts.labels[rows], bounds=(-9, 9))
    ddn(subject.model.logits, nearest, torch.arange(len(rows)), steps=150)
    expected = subject.margins[rows].double() / subject.weight.norm()
    assert nearest.distances.tolist() == pytest.approx(expected.tolist(), rel=0.01)
    assert (nearest.distances >= expected - 1e-6).all()


def test_points_are_misclassified_within_the_bounds_and_as_far_as_said() -> None:
    subject = trained_digits()
    right = subject.model.predict(subject.artifacts.images).argmax(1) == subject.artifacts.labels
    nearest = start(subject.artifacts.images[right][:30], subject.artifacts.labels[right][:30])
    ddn(subject.model.logits, nearest, torch.arange(30), steps=60)
    assert nearest.found.all()
    assert judged(subject.model.logits, nearest.points, nearest.labels).all()
    assert nearest.points.min() >= 0
    assert nearest.points.max() <= 1
    changes = nearest.points.double() - nearest.inputs.double()
    assert torch.equal(size_of("l2", changes), nearest.distances)


def test_no_farther_than_the_same_attack_of_foolbox() -> None:
    """From images of other classes, which are far away."""
    subject = trained_digits()
    right = subject.model.predict(subject.artifacts.images).argmax(1) == subject.artifacts.labels
    nearest = start(subject.artifacts.images[right][:40], subject.artifacts.labels[right][:40])
    others = torch.stack([nearest.inputs[nearest.labels != one][0] for one in nearest.labels])
    nearest.offer(torch.arange(40), others)
    assert nearest.distances.min() > 2
    ddn(subject.model.logits, nearest, torch.arange(40), steps=100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import foolbox.attacks
        from foolbox.models.pytorch import PyTorchModel
    model = PyTorchModel(subject.model.module, bounds=(0, 1), device="cpu")
    attack = getattr(foolbox.attacks, "DDNAttack")(steps=100)  # noqa: B009 - not exported
    points = attack.run(model, nearest.inputs, nearest.labels)
    size = size_of("l2", points.double() - nearest.inputs.double())
    theirs = torch.where(judged(subject.model.logits, points, nearest.labels), size, torch.inf)
    assert nearest.distances.median() <= theirs.median()


def test_broken_gradients_and_scores_move_nothing() -> None:
    inputs, rows = torch.full((2, 1, 2, 2), 0.5), torch.arange(2)
    for model in (
        lambda x: torch.full((len(x), 2), torch.nan) + 0 * x.sum(),
        lambda x: torch.tensor([[1.0, 0.0]]).repeat(len(x), 1),
    ):
        nearest = start(inputs, torch.tensor([0, 0]))
        ddn(model, nearest, rows, steps=5)
        assert not nearest.found.any()
        assert torch.equal(nearest.points, inputs)

"""Mirrors auditkit/methods/attacks/fmn.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.fmn import fmn, within
from auditkit.methods.attacks.hyperplane import MEASURES, Measure, size_of
from auditkit.methods.attacks.nearest import Nearest
from tests.methods.attacks.subjects import clear_subject, trained_digits
from tests.subjects import Subject


def searched(subject: Subject, norm: Measure, *, steps: int, rows: Tensor) -> Nearest:
    images, labels = subject.artifacts.images[rows], subject.artifacts.labels[rows]
    nearest = Nearest(images, labels, norm=norm, bounds=(0.0, 1.0))
    fmn(subject.model.logits, nearest, torch.arange(len(rows)), steps=steps)
    return nearest


@pytest.mark.parametrize(("norm", "dual"), [("linf", "l1"), ("l2", "l2")])
def test_distance_on_a_linear_model(norm: Measure, dual: Measure) -> None:
    subject = clear_subject(1)
    (rows,) = torch.where(subject.margins > 0)
    expected = subject.margins[rows].double() / size_of(dual, subject.weight[None])
    found = searched(subject, norm, steps=40, rows=rows)
    assert found.distances.tolist() == pytest.approx(expected.tolist(), abs=1e-4)


@pytest.mark.parametrize("norm", MEASURES)
def test_points_are_misclassified_within_the_bounds_and_as_far_as_said(norm: Measure) -> None:
    subject = trained_digits()
    right = subject.model.predict(subject.artifacts.images).argmax(1) == subject.artifacts.labels
    (rows,) = torch.where(right)
    found = searched(subject, norm, steps=20, rows=rows[:30])
    assert found.found.float().mean() > 0.9
    points = found.points[found.found]
    assert judged(subject.model.logits, points, found.labels[found.found]).all()
    assert points.min() >= 0
    assert points.max() <= 1
    changes = points.double() - found.inputs[found.found].double()
    assert torch.equal(size_of(norm, changes), found.distances[found.found])


@pytest.mark.parametrize("norm", MEASURES)
def test_within_is_the_nearest_change_of_a_size(norm: Measure) -> None:
    rng = torch.Generator().manual_seed(0)
    changes = torch.randn(1, 12, generator=rng).double()
    radius = torch.tensor([3.0]).double()
    held = within(norm, changes, radius)
    assert float(size_of(norm, held)) <= 3.0 + 1e-9
    for _ in range(300):  # no other change of that size is nearer
        other = within(norm, held + 0.3 * torch.randn(1, 12, generator=rng).double(), radius)
        assert (changes - held).norm() <= (changes - other).norm() + 1e-9
    assert torch.equal(within(norm, 0.01 * changes, torch.tensor([99.0])), 0.01 * changes)


def test_broken_gradients_and_scores_move_nothing() -> None:
    inputs, rows = torch.full((2, 1, 2, 2), 0.5), torch.arange(2)
    for model in (
        lambda x: torch.full((len(x), 2), torch.nan) + 0 * x.sum(),
        lambda x: torch.tensor([[1.0, 0.0]]).repeat(len(x), 1),
    ):
        nearest = Nearest(inputs, torch.tensor([0, 0]), norm="l2", bounds=(0.0, 1.0))
        fmn(model, nearest, rows, steps=5)
        assert not nearest.found.any()
        assert torch.equal(nearest.points, inputs)

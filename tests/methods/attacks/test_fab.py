"""Mirrors auditkit/methods/attacks/fab.py."""

from __future__ import annotations

import pytest
import torch

from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.fab import _nearest_plane, fab
from auditkit.methods.attacks.hyperplane import MEASURES, Measure, size_of
from auditkit.methods.attacks.nearest import Nearest
from tests.methods.attacks.subjects import trained_digits


def four_classes(points: torch.Tensor) -> torch.Tensor:
    """Class 0 leads at 0; the boundary to class 2 is nearest, that to class 1 scores higher."""
    x, y = points.flatten(1).unbind(1)
    return torch.stack([0 * x, x / 4 - 0.2, y - 0.3, x + y - 1], dim=1)


@pytest.mark.parametrize("norm", MEASURES)
def test_of_several_boundaries_the_nearest_is_crossed(norm: Measure) -> None:
    """Class 1 is the likeliest other at the input, 0.8 away; class 2 begins at y = 0.3."""
    inputs, rows = torch.zeros(1, 2), torch.tensor([0])
    for classes, expected in ((1, 0.8), (3, 0.3)):
        nearest = Nearest(inputs, torch.tensor([0]), norm=norm, bounds=(-5.0, 5.0))
        fab(four_classes, nearest, rows, steps=1, classes=classes)
        wanted = 1.0 if norm == "l0" else expected
        assert float(nearest.distances) == pytest.approx(wanted, abs=1e-4)


def test_the_nearest_of_the_likeliest_planes_is_taken() -> None:
    inputs, labels = torch.zeros(1, 2), torch.tensor([0])
    for classes, normal, offset in ((1, [0.25, 0.0], -0.2), (3, [0.0, 1.0], -0.3)):
        plane = _nearest_plane(four_classes, inputs, labels, "l2", classes)
        assert plane.normals[0].tolist() == normal
        assert float(plane.offsets) == pytest.approx(offset, abs=1e-4)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_it_finds_points_by_itself_and_betters_given_ones(norm: Measure) -> None:
    subject = trained_digits()
    right = subject.model.predict(subject.artifacts.images).argmax(1) == subject.artifacts.labels
    images, labels = subject.artifacts.images[right][:30], subject.artifacts.labels[right][:30]
    rows = torch.arange(30)
    nearest = Nearest(images, labels, norm=norm, bounds=(0.0, 1.0))
    fab(subject.model.logits, nearest, rows, steps=10)
    assert nearest.found.all()
    assert judged(subject.model.logits, nearest.points, labels).all()
    assert nearest.points.min() >= 0
    assert nearest.points.max() <= 1
    before = nearest.distances.clone()
    fab(subject.model.logits, nearest, rows, steps=5)
    assert (nearest.distances <= before).all()
    assert (nearest.distances < before).any()
    assert torch.equal(size_of(norm, nearest.points.double() - images.double()), nearest.distances)


def test_without_a_graph_nothing_moves() -> None:
    inputs = torch.full((2, 3), 0.5)
    nearest = Nearest(inputs, torch.tensor([0, 0]), norm="l2", bounds=(0.0, 1.0))
    fab(lambda x: torch.tensor([[1.0, 0.0]]).repeat(len(x), 1), nearest, torch.arange(2), steps=3)
    assert not nearest.found.any()

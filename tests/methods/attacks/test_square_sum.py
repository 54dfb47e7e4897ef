"""Mirrors auditkit/methods/attacks/square_sum.py."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.ball import BALLS, Norm
from auditkit.methods.attacks.square_sum import _cones, _placed, _window, square_sum
from auditkit.randomness import keys_of
from tests.methods.attacks.subjects import Wrapped, like, trained_digits
from tests.subjects import Subject

RADII: dict[Norm, float] = {"l2": 1.0, "l1": 4.0}
NORMS = pytest.mark.parametrize("norm", ["l2", "l1"])


def attacked(subject: Subject, norm: Norm, *, queries: int, rows: Tensor | None = None) -> Tensor:
    rows = torch.arange(60) if rows is None else rows
    images, labels = subject.artifacts.images[rows], subject.artifacts.labels[rows]
    ball = BALLS[norm](images, epsilon=RADII[norm], bounds=(0.0, 1.0))
    keys = keys_of(0, "square", subject.data.ids)[rows.numpy()]
    points = square_sum(subject.model.logits, labels, ball=ball, keys=keys, queries=queries)
    assert (ball.distance(points) <= RADII[norm]).all()
    assert points.min() >= 0
    assert points.max() <= 1
    return points


@NORMS
def test_more_queries_never_lose_a_success_and_find_much(norm: Norm) -> None:
    subject = trained_digits()
    labels = subject.artifacts.labels[:60]
    held = [
        ~judged(subject.model.logits, attacked(subject, norm, queries=q), labels)
        for q in (1, 10, 100)
    ]
    for fewer, more in pairwise(held):
        assert not (more & ~fewer).any()
    assert held[-1].sum() < 0.8 * held[0].sum()


@NORMS
def test_the_whole_radius_is_used_but_for_what_the_bounds_cut(norm: Norm) -> None:
    grey = torch.full((2, 3, 9, 9), 0.5)
    ball = BALLS[norm](grey, epsilon=1.0, bounds=(0.0, 1.0))
    points = square_sum(
        lambda x: torch.tensor([[1.0, 0.0]]).repeat(len(x), 1) + 0 * x.sum(),
        torch.tensor([0, 0]), ball=ball, keys=np.array([1, 2], dtype=np.uint64), queries=20,
    )  # fmt: skip
    assert ball.distance(points).tolist() == pytest.approx([1.0, 1.0], abs=1e-3)
    assert not torch.equal(points[0], points[1])


@NORMS
def test_an_image_has_its_own_squares_whatever_stands_beside_it(norm: Norm) -> None:
    subject = trained_digits()
    rows = torch.tensor([5, 0, 17])
    alone = attacked(subject, norm, queries=30, rows=rows)
    assert torch.allclose(alone, attacked(subject, norm, queries=30)[rows], atol=1e-6)


def test_it_needs_no_gradient_and_stands_broken_scores() -> None:
    subject = trained_digits()
    rounded = like(subject, Wrapped(subject.model.module, quantised=True))
    labels = subject.artifacts.labels[:60]
    fallen = judged(rounded.model.logits, attacked(rounded, "l2", queries=60), labels)
    assert fallen.float().mean() > 0.3
    ball = BALLS["l2"](torch.rand(2, 1, 4, 4), epsilon=0.1, bounds=(0.0, 1.0))
    keys = np.array([1, 2], dtype=np.uint64)
    points = square_sum(
        lambda x: torch.full((len(x), 2), torch.nan), torch.tensor([0, 1]), ball=ball, keys=keys,
        queries=5,
    )  # fmt: skip
    assert points.isfinite().all()


def test_cones_have_two_signs_and_lie_in_their_window() -> None:
    cones = _cones(5, turned=torch.tensor([False, True]))
    assert torch.equal(cones[0].T, cones[1])
    assert cones[0].norm() == pytest.approx(1.0)
    assert (cones[0][:3] > 0).all()
    assert (cones[0][3:] < 0).all()
    top, left = torch.tensor([0.0, 0.99]), torch.tensor([0.99, 0.0])
    placed = _placed(cones, top, left, 8, 9)
    assert torch.equal(placed[0, :5, 4:], cones[0])
    assert torch.equal(placed[1, 3:, :5], cones[1])
    assert torch.equal(placed != 0, _window(top, left, 5, 8, 9))


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 7), (1, 28, 28)])
def test_images_of_any_size_are_attacked(shape: tuple[int, int, int]) -> None:
    images = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    ball = BALLS["l1"](images, epsilon=0.5, bounds=(0.0, 1.0))
    points = square_sum(
        lambda x: torch.stack([x.flatten(1).mean(1), 0 * x.flatten(1).mean(1)], dim=1),
        torch.tensor([0, 0]), ball=ball, keys=np.array([3, 4], dtype=np.uint64), queries=15,
    )  # fmt: skip
    assert (ball.distance(points) <= 0.5).all()

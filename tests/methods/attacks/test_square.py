"""Mirrors auditkit/methods/attacks/square.py."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.ball import LinfBall
from auditkit.methods.attacks.square import _FIRST_SHARE, side_of, square_linf
from auditkit.models.classifier import ImageClassifier
from auditkit.randomness import keys_of
from tests.methods.attacks.subjects import Wrapped, like, trained_digits
from tests.subjects import Subject, linear_subject


def attacked(
    subject: Subject, *, epsilon: float, queries: int, rows: Tensor | None = None
) -> Tensor:
    model = subject.model
    assert isinstance(model, ImageClassifier)
    rows = torch.arange(len(subject.data)) if rows is None else rows
    images, labels = subject.artifacts.images[rows], subject.artifacts.labels[rows]
    ball = LinfBall(images, epsilon=epsilon, bounds=model.bounds)
    keys = keys_of(0, "square", subject.data.ids)[rows.numpy()]
    points = square_linf(model.logits, labels, ball=ball, keys=keys, queries=queries)
    assert (ball.distance(points) <= epsilon).all()
    return points


def held(subject: Subject, points: Tensor, rows: slice | Tensor = slice(None)) -> Tensor:
    return ~judged(subject.model.logits, points, subject.artifacts.labels[rows])


def test_it_comes_near_the_closed_form_on_a_linear_model() -> None:
    """On 16 pixels a thousand squares find nearly the corner that costs epsilon * ||w||_1."""
    subject, epsilon = linear_subject(3), 0.05
    cost = epsilon * subject.weight.abs().sum()
    kept = held(subject, attacked(subject, epsilon=epsilon, queries=1000))
    clear = (subject.margins - cost).abs() > 0.15 * cost
    assert torch.equal(kept[clear], (subject.margins > cost)[clear])


def test_more_queries_never_lose_a_success() -> None:
    subject = trained_digits()
    found = [held(subject, attacked(subject, epsilon=0.1, queries=q)) for q in (1, 10, 100, 400)]
    for fewer, more in pairwise(found):
        assert not (more & ~fewer).any()
    assert found[-1].sum() < found[0].sum()


def test_only_who_gains_enough_gets_more_queries_than_were_granted() -> None:
    """The margin of class 1 rises with every question, to 0 after 350, 1,400 or never.

    Who gives up what has no hope does so at the second mark.
    """
    asked = torch.zeros(3)
    pace = torch.tensor([350.0, 1400.0, 1e9])

    def model(images: Tensor) -> Tensor:
        rows = images[:, 0, 0, 0].sub(0.5).mul(10).round().long()  # 0, 1 or 2, whatever is tried
        asked[rows] += 1
        lead = asked[rows] / pace[rows] - 1
        return torch.stack([torch.zeros_like(lead), lead], dim=1)

    images = (0.5 + 0.1 * torch.arange(3.0)).view(3, 1, 1, 1).expand(3, 1, 4, 4)
    ball = LinfBall(images, epsilon=0.01, bounds=(0.0, 1.0))
    keys, labels = np.arange(3, dtype=np.uint64), torch.zeros(3, dtype=torch.int64)
    for queries, give_up, expected in (
        (260, False, [351, 260, 260]),
        (1000, False, [351, 1401, 1000]),
        (100, False, [100] * 3),
        (1000, True, [351, 1401, 125]),
        (100, True, [100] * 3),
    ):
        asked.zero_()
        square_linf(model, labels, ball=ball, keys=keys, queries=queries, give_up=give_up)
        assert asked.tolist() == pytest.approx(expected, abs=2)


def test_an_image_has_its_own_squares_whatever_stands_beside_it() -> None:
    subject = trained_digits()
    rows = torch.tensor([5, 0, 17])
    alone = attacked(subject, epsilon=0.05, queries=50, rows=rows)
    assert torch.equal(alone, attacked(subject, epsilon=0.05, queries=50)[rows])


def test_it_needs_no_gradient() -> None:
    """Rounded inputs blind a gradient, and not this."""
    subject = trained_digits()
    rounded = like(subject, Wrapped(subject.model.module, quantised=True))
    plain = held(subject, attacked(subject, epsilon=0.1, queries=200))
    same = held(rounded, attacked(rounded, epsilon=0.1, queries=200))
    assert abs(int(plain.sum()) - int(same.sum())) <= 4


def test_squares_shrink_and_broken_scores_are_no_progress() -> None:
    sides = [side_of(query, 32, 32, share=_FIRST_SHARE) for query in range(9000)]
    assert sides == sorted(sides, reverse=True)
    assert sides[0] == 29
    assert sides[-1] == 1
    assert side_of(0, 1, 1, share=_FIRST_SHARE) == 1
    images, labels = torch.rand(2, 1, 4, 4), torch.tensor([0, 1])
    ball = LinfBall(images, epsilon=0.1, bounds=(0.0, 1.0))
    keys = np.array([1, 2], dtype=np.uint64)
    points = square_linf(
        lambda x: torch.full((len(x), 2), torch.nan), labels, ball=ball, keys=keys, queries=5
    )
    assert points.isfinite().all()

"""Mirrors auditkit/methods/attacks/apgd.py."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.apgd import _marks, apgd
from auditkit.methods.attacks.ball import BALLS, Ball, Norm
from auditkit.methods.attacks.losses import log_odds_against, logits_ratio, margin_against
from auditkit.models.classifier import ImageClassifier
from tests.methods.attacks.subjects import Wrapped, like, trained_digits
from tests.subjects import Subject, linear_subject

DUAL: dict[Norm, float] = {"linf": 1, "l2": 2, "l1": torch.inf}
FITTING: dict[Norm, tuple[float, ...]] = {"linf": (0.02, 0.1), "l2": (0.1, 0.6), "l1": (0.3, 1.1)}


def ball_of(subject: Subject, norm: Norm, epsilon: float) -> tuple[Ball, Tensor]:
    model, images = subject.model, subject.artifacts.images
    assert isinstance(model, ImageClassifier)
    ball = BALLS[norm](images, epsilon=epsilon, bounds=model.bounds)
    draws = 2 * torch.rand(images.shape, generator=torch.Generator().manual_seed(0)) - 1
    return ball, ball.start(draws)


def held(
    subject: Subject, norm: Norm = "linf", *, epsilon: float, steps: int = 36, **options: object
) -> Tensor:
    """Which inputs hold; wrong ones never do, because the attack starts at any point."""
    labels = subject.artifacts.labels
    ball, start = ball_of(subject, norm, epsilon)
    found = apgd(subject.model.logits, labels, ball=ball, start=start, steps=steps, **options)  # type: ignore[arg-type]
    assert (ball.distance(found.points) <= epsilon).all()
    fooled = judged(subject.model.logits, found.points, labels)
    assert torch.equal(found.fooled, fooled)
    return ~fooled


@given(
    seed=st.integers(0, 999),
    norm=st.sampled_from(["linf", "l2", "l1"]),
    size=st.sampled_from([0, 1]),
)
@settings(deadline=None, max_examples=30)
def test_equals_the_closed_form_on_a_linear_model(seed: int, norm: Norm, size: int) -> None:
    """Within the bounds the worst point of a ball costs epsilon times the dual norm of w."""
    subject, epsilon = linear_subject(seed), FITTING[norm][size] / 4
    slack = subject.margins - epsilon * subject.weight.norm(p=DUAL[norm])
    decided = slack.abs() > 1e-3 * subject.weight.norm()  # rounding and the last step decide ties
    found = held(subject, norm, epsilon=epsilon, steps=84)
    assert torch.equal(found[decided], (slack > 0)[decided])


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_more_steps_and_larger_balls_never_lose_a_success(norm: Norm) -> None:
    subject = trained_digits()
    small, large = FITTING[norm]
    middle = (small + large) / 2
    paths = [held(subject, norm, epsilon=middle, steps=s) for s in (1, 3, 12, 13, 36, 90)]
    for fewer, more in pairwise(paths):
        assert not (more & ~fewer).any()
    assert paths[-1].sum() < paths[0].sum()
    assert held(subject, norm, epsilon=large).sum() < held(subject, norm, epsilon=small).sum()


def test_no_weaker_than_plain_descent_of_as_many_steps() -> None:
    from tests.methods.attacks.test_pgd_linf import attacked, robust

    subject = trained_digits()
    for epsilon in (0.05, 0.1):
        plain = robust(subject, attacked(subject, epsilon=epsilon, steps=36))
        for loss in (log_odds_against, margin_against, logits_ratio):
            few = held(subject, epsilon=epsilon, loss=loss)
            assert int(few.sum()) <= int(plain.sum()) + 2  # the two take different ways


@pytest.mark.parametrize("scale", [1e-3, 1000.0])
def test_the_size_of_the_logits_does_not_matter_to_the_ratio(scale: float) -> None:
    subject = trained_digits()
    other = like(subject, Wrapped(subject.model.module, scale=scale))
    plain = held(subject, epsilon=0.08, loss=logits_ratio)
    assert int((held(other, epsilon=0.08, loss=logits_ratio) != plain).sum()) <= 1


def test_inputs_that_fall_cost_nothing_any_more() -> None:
    subject = trained_digits()
    seen: list[int] = []

    def counting(points: Tensor) -> Tensor:
        seen.append(len(points))
        return subject.model.logits(points)

    ball, start = ball_of(subject, "linf", 0.5)
    labels = subject.artifacts.labels
    apgd(counting, labels, ball=ball, start=start, steps=200)
    assert sum(seen) < 10 * len(start)


def test_a_false_success_of_the_search_does_not_count() -> None:
    """Planted: a search that calls everything fooled must not end any path."""
    subject = trained_digits()

    def credulous(points: Tensor) -> Tensor:
        return -subject.model.logits(points)

    found = held(subject, epsilon=0.02, steps=24, search=credulous)
    assert found.float().mean() > 0.5
    exact = held(subject, epsilon=0.1, search=subject.model.logits)
    assert torch.equal(exact, held(subject, epsilon=0.1))


def test_the_best_point_is_returned_not_the_last() -> None:
    subject = trained_digits()
    labels = subject.artifacts.labels
    ball, start = ball_of(subject, "linf", 0.02)
    for steps in (5, 40):
        found = apgd(
            subject.model.logits, labels, ball=ball, start=start, steps=steps, loss=margin_against
        )
        best = margin_against(subject.model.predict(found.points), labels)
        stay = ~found.fooled
        torch.testing.assert_close(best[stay], found.losses[stay], atol=1e-4, rtol=1e-4)
        assert (found.losses >= margin_against(subject.model.predict(start), labels) - 1e-4).all()


def test_marks_of_fewer_steps_are_the_first_ones_and_come_closer() -> None:
    many = list(_marks(100, 100))
    for steps in (0, 1, 11, 36):
        assert list(_marks(steps, 100)) == many[:steps]
    at = [i + 1 for i, one in enumerate(many) if one.checks]
    assert at == [22, 41, 57, 70, 80, 87, 93, 99]  # Croce and Hein, section 3.2
    assert [many[i - 1].since for i in at] == [22, 19, 16, 13, 10, 7, 6, 6]


def test_a_longer_round_starts_anew() -> None:
    """On from the best point it would stay where the short round went first."""
    visits: list[float] = []

    def watched(points: Tensor) -> Tensor:
        x = points[:, 0]
        visits.append(round(float(x.detach()[0]), 4))
        return torch.stack([torch.ones_like(x), 0.9 - (x - 0.9).abs()], dim=1)

    ball = BALLS["linf"](torch.zeros(1, 1), epsilon=1.0, bounds=(-1.0, 1.0))
    found = apgd(watched, torch.tensor([0]), ball=ball, start=ball.inputs, steps=30, first_round=10)
    first, second = visits[:11], visits[11:]  # the last point of a round is judged, too
    assert first[0] == second[0] == 0.0
    assert first[:2] == second[:2]
    assert 0.85 < found.points.item() < 0.95  # the best of both

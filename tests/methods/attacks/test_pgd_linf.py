"""Mirrors auditkit/methods/attacks/pgd_linf.py."""

from __future__ import annotations

import warnings
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from auditkit.methods.attacks.active_set import judged, misclassified
from auditkit.methods.attacks.pgd_linf import pgd_linf
from auditkit.models.classifier import ImageClassifier
from tests.methods.attacks.subjects import Wrapped, like, trained_digits
from tests.subjects import Subject, linear_subject


def attacked(subject: Subject, *, epsilon: float, steps: int = 20, **options: object) -> Tensor:
    model, images = subject.model, subject.artifacts.images
    assert isinstance(model, ImageClassifier)
    start = 2 * torch.rand(images.shape, generator=torch.Generator().manual_seed(0)) - 1
    settings_ = {"start": start, "bounds": model.bounds, **options}
    return pgd_linf(
        model.logits, images, subject.artifacts.labels, epsilon=epsilon, steps=steps, **settings_
    )  # type: ignore[arg-type]


def robust(subject: Subject, points: Tensor) -> Tensor:
    return ~misclassified(subject.model.predict(points), subject.artifacts.labels)


@given(seed=st.integers(0, 999), epsilon=st.floats(0.005, 0.1))
@settings(deadline=None, max_examples=30)
def test_reaches_the_corner_of_a_linear_model(seed: int, epsilon: float) -> None:
    subject = linear_subject(seed)
    slack = subject.margins - epsilon * subject.weight.abs().sum()
    held = robust(subject, attacked(subject, epsilon=epsilon))
    decided = slack.abs() > 1e-4  # rounding decides ties, not the attack
    assert torch.equal(held[decided], (slack > 0)[decided])


@given(seed=st.integers(0, 999), epsilon=st.sampled_from([0.003, 0.1, 0.7]))
@settings(deadline=None, max_examples=20)
def test_stays_in_ball_and_box(seed: int, epsilon: float) -> None:
    subject = linear_subject(seed)
    points, images = attacked(subject, epsilon=epsilon, steps=3), subject.artifacts.images
    assert ((points.double() - images.double()).abs() <= epsilon).all()
    assert points.min() >= 0
    assert points.max() <= 1


def test_more_steps_and_larger_balls_never_lose_a_success() -> None:
    subject = trained_digits()
    held = [robust(subject, attacked(subject, epsilon=0.1, steps=s)) for s in (1, 2, 5, 10, 40)]
    for fewer, more in pairwise(held):
        assert not (more & ~fewer).any()
    assert held[-1].sum() < held[0].sum()


def test_no_weaker_than_foolbox() -> None:
    """From the same start with the same step every success of foolbox is ours too, but rounding.

    With its own step it is weaker by more than random starts explain.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from foolbox.attacks.projected_gradient_descent import (
            LinfProjectedGradientDescentAttack,
        )
        from foolbox.models.pytorch import PyTorchModel
    subject = trained_digits()
    images, labels = subject.artifacts.images, subject.artifacts.labels
    model = PyTorchModel(subject.model.module, bounds=(0, 1), device="cpu")
    torch.manual_seed(0)
    for epsilon in (0.05, 0.1):
        same = LinfProjectedGradientDescentAttack(steps=40, rel_stepsize=1 / 4, random_start=False)
        theirs = robust(subject, same(model, images, labels, epsilons=epsilon)[1])
        start = torch.zeros_like(images)
        ours = robust(subject, attacked(subject, epsilon=epsilon, steps=40, start=start))
        assert int((ours & ~theirs).sum()) <= 1
        own = LinfProjectedGradientDescentAttack(steps=40)
        theirs = robust(subject, own(model, images, labels, epsilons=epsilon)[1])
        ours = robust(subject, attacked(subject, epsilon=epsilon, steps=40))
        assert int(ours.sum()) <= int(theirs.sum())


@pytest.mark.parametrize("scale", [100.0, 1000.0])
def test_large_logits_do_not_blind_it(scale: float) -> None:
    subject = trained_digits()
    loud = like(subject, Wrapped(subject.model.module, scale=scale))
    plain = robust(subject, attacked(subject, epsilon=0.1))
    assert int(robust(loud, attacked(loud, epsilon=0.1)).sum()) <= int(plain.sum()) + 1


def test_a_false_success_of_the_search_does_not_count() -> None:
    """Planted: a search that calls everything fooled leaves the result as good as without it."""
    subject = trained_digits()
    model, labels = subject.model, subject.artifacts.labels
    assert isinstance(model, ImageClassifier)

    def credulous(points: Tensor) -> Tensor:
        return -model.logits(points)

    points = attacked(subject, epsilon=0.02, search=credulous)
    fooled = judged(model.logits, points, labels)
    assert fooled.float().mean() < 0.5  # the search alone calls nearly all of them fooled
    assert judged(credulous, points, labels).float().mean() > 0.9


def test_bfloat16_search_is_judged_in_float32_and_about_as_strong() -> None:
    subject = trained_digits()
    model = subject.model
    assert isinstance(model, ImageClassifier)

    def search(points: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return model.logits(points)

    exact = robust(subject, attacked(subject, epsilon=0.1, steps=40))
    cheap = robust(subject, attacked(subject, epsilon=0.1, steps=40, search=search))
    assert abs(int(exact.sum()) - int(cheap.sum())) <= 4  # of 200: bfloat16 gradients differ


def test_order_and_batches_change_nothing() -> None:
    subject = trained_digits()
    model, images, labels = subject.model, subject.artifacts.images, subject.artifacts.labels
    assert isinstance(model, ImageClassifier)
    start = 2 * torch.rand(images.shape, generator=torch.Generator().manual_seed(0)) - 1
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(1))
    options = {"epsilon": 0.05, "steps": 10, "bounds": (0.0, 1.0)}
    one = pgd_linf(model.logits, images, labels, start=start, **options)  # type: ignore[arg-type]
    two = pgd_linf(
        model.logits, images[order], labels[order], start=start[order], batch_size=17, **options
    )  # type: ignore[arg-type]
    assert torch.equal(robust(subject, one)[order], ~judged(model.logits, two, labels[order]))


def test_the_model_is_left_bit_identical_and_without_gradients() -> None:
    subject = trained_digits()
    before = {k: v.clone() for k, v in subject.model.module.state_dict().items()}
    attacked(subject, epsilon=0.1)
    for name, value in subject.model.module.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(p.grad is None and not p.requires_grad for p in subject.model.module.parameters())


def test_no_inputs_are_no_error() -> None:
    empty = torch.zeros(0, 1, 4, 4)
    model = linear_subject(0).model
    points = pgd_linf(
        model.logits, empty, torch.zeros(0, dtype=torch.int64), epsilon=0.1, steps=3, start=empty,
        bounds=(0.0, 1.0),
    )  # fmt: skip
    assert points.shape == empty.shape

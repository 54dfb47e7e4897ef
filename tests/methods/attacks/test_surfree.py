"""Mirrors auditkit/methods/attacks/surfree.py."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.nearest import Nearest
from auditkit.methods.attacks.surfree import _cosines, _smooth, surfree
from auditkit.randomness import keys_of
from tests.methods.attacks.subjects import clear_subject, like, trained_digits
from tests.subjects import Subject


def searched(subject: Subject, *, queries: int, rows: Tensor | None = None) -> Nearest:
    right = subject.model.predict(subject.artifacts.images).argmax(1) == subject.artifacts.labels
    (some,) = torch.where(right)
    some = some if rows is None else some[rows]
    images, labels = subject.artifacts.images[some], subject.artifacts.labels[some]
    nearest = Nearest(images, labels, norm="l2", bounds=(0.0, 1.0))
    keys = keys_of(0, "walk", [subject.data.ids[i] for i in some.tolist()])
    surfree(subject.model.logits, nearest, keys=keys, queries=queries)
    return nearest


def test_it_comes_near_the_closed_form_on_a_linear_model() -> None:
    """The nearest wrong answer is margin / ||w||_2 away; none is nearer."""
    subject = clear_subject(3)
    found = searched(subject, queries=600)
    expected = subject.margins[subject.margins > 0].double() / subject.weight.norm()
    assert (found.distances >= expected - 1e-6).all()
    assert float((found.distances / expected).median()) < 1.1


def test_more_queries_never_lose_and_each_input_searches_for_itself() -> None:
    subject, rows = trained_digits(), torch.arange(20)
    whole = [searched(subject, queries=q, rows=rows) for q in (1, 40, 41, 200)]
    for fewer, more in itertools.pairwise(whole):
        assert (more.distances <= fewer.distances).all()
    assert whole[-1].found.all()
    assert whole[-1].distances.median() < 0.75 * whole[1].distances.median()
    assert judged(subject.model.logits, whole[-1].points, whole[-1].labels).all()
    assert whole[-1].points.min() >= 0
    assert whole[-1].points.max() <= 1
    alone = searched(subject, queries=200, rows=torch.tensor([11, 4]))
    assert torch.allclose(alone.distances, whole[-1].distances[[11, 4]], rtol=1e-3)


def test_only_answers_are_read_and_never_more_than_were_granted() -> None:
    subject = trained_digits()
    network, asked = subject.model.module, []

    class Answers(torch.nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            asked.append(len(images))
            return torch.nn.functional.one_hot(network(images).argmax(1), 10).float()

    plain = searched(subject, queries=80, rows=torch.arange(8))
    nearest = Nearest(plain.inputs, plain.labels, norm="l2", bounds=(0.0, 1.0))
    right = subject.model.predict(subject.artifacts.images).argmax(1) == subject.artifacts.labels
    ids = [subject.data.ids[i] for i in torch.where(right)[0][:8].tolist()]
    surfree(
        like(subject, Answers()).model.logits, nearest, keys=keys_of(0, "walk", ids), queries=80
    )
    assert asked == [8] * 80
    assert torch.allclose(nearest.distances, plain.distances, rtol=1e-3)


def test_it_goes_on_from_points_that_are_known() -> None:
    subject = trained_digits()
    first = searched(subject, queries=30, rows=torch.arange(6))
    before = first.distances.clone()
    keys = np.arange(6, dtype=np.uint64)
    surfree(subject.model.logits, first, keys=keys, queries=60)
    assert (first.distances <= before).all()
    assert (first.distances < before).any()


def test_a_model_that_is_never_wrong_or_broken_ends() -> None:
    inputs = torch.rand(2, 1, 3, 3)
    for value in (1.0, torch.nan):
        nearest = Nearest(inputs, torch.tensor([0, 0]), norm="l2", bounds=(0.0, 1.0))
        surfree(
            lambda x, v=value: torch.tensor([[v, 0.0]]).repeat(len(x), 1),
            nearest, keys=np.array([1, 2], dtype=np.uint64), queries=40,
        )  # fmt: skip
        assert not nearest.found.any()
        assert torch.equal(nearest.points, inputs)


def test_waves_are_orthonormal_and_directions_differ_in_smoothness() -> None:
    assert torch.allclose(_cosines(7) @ _cosines(7).T, torch.eye(7).double(), atol=1e-9)
    images = _smooth(np.arange(40, dtype=np.uint64), (2, 8, 8))
    assert images.shape == (40, 2, 8, 8)
    fast = (_cosines(8) @ images @ _cosines(8).T)[:, :, 7].abs().amax(dim=(1, 2))
    assert 0 < int((fast > 1e-9).sum()) < 40


@pytest.mark.slow
def test_it_is_nearer_than_foolbox_with_more_queries() -> None:
    """HopSkipJump asks about 2,500 times in 10 steps; here 500 questions have to do."""
    import warnings

    subject = trained_digits()
    ours = searched(subject, queries=500, rows=torch.arange(30))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from foolbox.attacks.hop_skip_jump import HopSkipJumpAttack
        from foolbox.models.pytorch import PyTorchModel
    model = PyTorchModel(subject.model.module, bounds=(0, 1), device="cpu")
    torch.manual_seed(0)
    points = HopSkipJumpAttack(steps=10).run(model, ours.inputs, ours.labels)
    theirs = (points - ours.inputs).flatten(1).double().norm(dim=1)
    assert float(ours.distances.median()) < float(theirs.median())

"""Mirrors auditkit/methods/attacks/rays.py."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.nearest import Nearest
from auditkit.methods.attacks.rays import _blocks, rays
from tests.methods.attacks.subjects import Wrapped, clear_subject, like, trained_digits
from tests.subjects import Subject


def searched(subject: Subject, *, queries: int, rows: Tensor | slice = slice(None)) -> Nearest:
    right = subject.model.predict(subject.artifacts.images).argmax(1) == subject.artifacts.labels
    images, labels = subject.artifacts.images[right][rows], subject.artifacts.labels[right][rows]
    nearest = Nearest(images, labels, norm="linf", bounds=(0.0, 1.0))
    rays(subject.model.logits, nearest, queries=queries)
    return nearest


def test_distance_on_a_linear_model() -> None:
    """Single signs are turned until all point against the weights: margin / ||w||_1."""
    subject = clear_subject(3)
    found = searched(subject, queries=600)
    expected = subject.margins[subject.margins > 0] / subject.weight.abs().sum()
    assert found.distances.tolist() == pytest.approx(expected.tolist(), rel=0.02)


def test_more_queries_never_lose_and_each_input_searches_for_itself() -> None:
    subject = trained_digits()
    whole = [searched(subject, queries=q, rows=slice(0, 20)) for q in (1, 30, 31, 150)]
    for fewer, more in itertools.pairwise(whole):
        assert (more.distances <= fewer.distances).all()
    assert whole[-1].found.all()
    assert judged(subject.model.logits, whole[-1].points, whole[-1].labels).all()
    alone = searched(subject, queries=150, rows=torch.tensor([11, 4]))
    assert torch.allclose(alone.distances, whole[-1].distances[[11, 4]])


def test_only_answers_are_read_and_never_more_than_were_granted() -> None:
    subject = trained_digits()
    network, asked = subject.model.module, []

    class Answers(torch.nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            asked.append(len(images))
            return torch.nn.functional.one_hot(network(images).argmax(1), 10).float()

    blunt = like(subject, Answers())
    with_scores = searched(subject, queries=60, rows=slice(0, 8))
    asked.clear()
    nearest = Nearest(with_scores.inputs, with_scores.labels, norm="linf", bounds=(0.0, 1.0))
    rays(blunt.model.logits, nearest, queries=60)
    assert asked == [8] * 60
    assert torch.allclose(nearest.distances, with_scores.distances, atol=1e-3)
    rounded = like(subject, Wrapped(network, quantised=True))  # no gradient: no matter
    assert searched(rounded, queries=60, rows=slice(0, 8)).found.all()


def test_blocks_cover_everything_at_every_level() -> None:
    starts, ends = _blocks(6)
    assert (int(starts[0]), int(ends[0])) == (0, 0)
    spans = list(zip(starts.tolist(), ends.tolist(), strict=True))[1:]
    assert spans[0] == (0, 6)
    assert spans[1:3] == [(0, 3), (3, 6)]
    assert spans[-6:] == [(i, i + 1) for i in range(6)]


def test_a_model_that_is_never_wrong_or_broken_ends() -> None:
    inputs = torch.rand(2, 1, 2, 2)
    for value in (1.0, torch.nan):
        nearest = Nearest(inputs, torch.tensor([0, 0]), norm="linf", bounds=(0.0, 1.0))
        rays(lambda x, v=value: torch.tensor([[v, 0.0]]).repeat(len(x), 1), nearest, queries=40)
        assert not nearest.found.any()
        assert torch.equal(nearest.points, inputs)

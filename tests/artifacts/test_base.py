"""Mirrors auditkit/artifacts/base.py."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Self

import numpy as np
import pytest
import torch

from auditkit.artifacts.base import Artifact, Artifacts
from auditkit.models.classifier import TextClassifier
from tests.subjects import LinearSubject, graph_subject, linear_subject, table_subject


@dataclass(frozen=True)
class Counted(Artifact):
    """A fact that remembers how often it was computed."""

    total: float

    @classmethod
    def compute(cls, shard: Artifacts) -> Self:
        calls.append(len(shard))
        return cls(float(shard.images.sum()))


calls: list[int] = []


@pytest.fixture
def subject() -> LinearSubject:
    calls.clear()
    return linear_subject(0, n=10)


def test_a_fact_is_computed_once_per_shard(subject: LinearSubject) -> None:
    artifacts = subject.artifacts
    assert artifacts[Counted] is artifacts[Counted]
    assert calls == [10]
    _ = subject.artifacts[Counted]
    assert calls == [10, 10]


def test_a_shard_holds_the_inputs_at_its_positions(subject: LinearSubject) -> None:
    shard = Artifacts(subject.model, subject.data, np.array([7, 2]))
    assert len(shard) == 2
    assert shard.ids == ("00007", "00002")
    whole = subject.artifacts
    assert torch.equal(shard.images, whole.images[[7, 2]])
    assert torch.equal(shard.labels, whole.labels[[7, 2]])
    assert shard.labels.dtype == torch.int64


def test_a_column_is_undefined_where_nothing_was_measured(subject: LinearSubject) -> None:
    shard = Artifacts(subject.model, subject.data, np.array([7, 2, 4]))
    rows = np.array([2, 0])
    assert np.array_equal(shard.column(rows, [0.5, 1.0]), [1.0, np.nan, 0.5], equal_nan=True)
    chosen = np.array([False, True, False])
    assert np.array_equal(shard.column(chosen, [3.0]), [np.nan, 3.0, np.nan], equal_nan=True)


def test_forgotten_inputs_are_read_again(subject: LinearSubject) -> None:
    artifacts = subject.artifacts
    first = artifacts.images
    artifacts.forget_inputs()
    assert artifacts.images is not first
    assert torch.equal(artifacts.images, first)


def test_keys_do_not_depend_on_the_shard(subject: LinearSubject) -> None:
    whole = subject.artifacts
    part = Artifacts(subject.model, subject.data, np.array([3, 4]))
    assert (part.keys("noise") == whole.keys("noise")[3:5]).all()
    assert part.key("noise", 1) == whole.key("noise", 1)
    other = Artifacts(subject.model, subject.data, np.array([3, 4]), seed=1)
    assert (part.keys("noise") != other.keys("noise")).all()


def test_a_sample_is_the_same_from_every_shard_and_its_facts_are_computed_once(
    subject: LinearSubject,
) -> None:
    shared: dict[Hashable, object] = {}
    shards = [
        Artifacts(subject.model, subject.data, np.arange(i, i + 5), shared=shared) for i in (0, 5)
    ]
    samples = [one.sample("some", 4) for one in shards]
    assert samples[0].ids == samples[1].ids
    assert len(samples[0]) == 4
    facts = [one[Counted] for one in samples]
    assert facts[0] is facts[1]
    assert calls == [4]
    drawn = [
        i for one in shards for i, here in zip(one.ids, one.drawn("some", 4), strict=True) if here
    ]
    assert drawn == list(samples[0].ids)
    assert shards[0].sample("others", 4).ids != samples[0].ids
    assert len(shards[0].sample("all", 99)) == 10


def test_inputs_of_samples_are_forgotten_too(subject: LinearSubject) -> None:
    artifacts = subject.artifacts
    first = artifacts.sample("some", 4).images
    artifacts.forget_inputs()
    assert artifacts.sample("some", 4).images is not first


def test_labels_of_a_shard_are_its_own(subject: LinearSubject) -> None:
    artifacts = subject.artifacts
    artifacts.labels.fill_(9)
    assert (subject.data.labels < 2).all()


def test_an_image_shard_is_not_taken_for_text(subject: LinearSubject) -> None:
    artifacts = subject.artifacts
    assert artifacts.image_model is subject.model
    assert not isinstance(artifacts.classifier, TextClassifier)
    with pytest.raises(AssertionError):
        _ = artifacts.texts
    with pytest.raises(AssertionError):
        _ = artifacts.text_model


def test_an_input_that_is_no_image_can_be_put_in_words(subject: LinearSubject) -> None:
    table, graph = table_subject().artifacts, graph_subject().artifacts
    assert table.in_words(0) == "age 20, work State, wage 1"
    assert graph.in_words(2) == "3 nodes (2 C, 1 N), 2 edges"
    assert table.table_model.schema.names == ("age", "work", "wage")
    assert graph.graph_model.tags == ("C", "N")
    with pytest.raises(AssertionError):
        subject.artifacts.in_words(0)
    with pytest.raises(AssertionError):
        _ = table.graph_model


def test_a_fact_with_parameters_is_computed_once_per_shard(subject: LinearSubject) -> None:
    first, second = subject.artifacts, subject.artifacts.at(np.arange(2))
    calls: list[int] = []
    found = [first.once_per_shard(("sum", 1), lambda: calls.append(1) or 7) for _ in range(2)]
    assert (found, calls) == ([7, 7], [1])
    assert first.once_per_shard(("sum", 2), lambda: 8) == 8, "other parameters, another fact"
    assert second.once_per_shard(("sum", 1), lambda: 9) == 9, "another shard"


def test_a_fact_about_the_whole_sample_is_computed_once_for_all_shards(
    subject: LinearSubject,
) -> None:
    shared: dict[Hashable, object] = {}
    shards = [
        Artifacts(subject.model, subject.data, np.arange(i, i + 5), shared=shared) for i in (0, 5)
    ]
    found = [one.once(("sum", 1), lambda: calls.append(1) or 7) for one in shards]
    assert found == [7, 7]
    assert calls == [1]
    assert shards[0].once(("sum", 2), lambda: 8) == 8, "other parameters, another fact"
    alone = Artifacts(subject.model, subject.data, np.arange(5))
    assert alone.once(("sum", 1), lambda: 9) == 9

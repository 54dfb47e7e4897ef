"""Mirrors auditkit/data/dataset.py."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditkit.data.dataset import Dataset, InMemory, require_columns
from auditkit.errors import DataError


def made(labels: np.ndarray, *, ids: tuple[str, ...] | None = None) -> Dataset:
    """One pixel per image, which holds its row number."""
    n = len(labels)
    return Dataset(
        name="made-up",
        split="test",
        modality="image",
        classes=("a", "b", "c"),
        ids=ids if ids is not None else tuple(f"{i:04d}" for i in range(n)),
        labels=labels,
        attributes=pd.DataFrame({"row": [str(i) for i in range(n)]}),
        reader=InMemory(
            np.arange(n, dtype=np.float32).reshape(n, 1, 1, 1),
            (np.arange(n) % 2 == 0).reshape(n, 1, 1),
        ),
        sha256="0" * 64,
        input_shape=(1, 1, 1),
    )


LABELS = st.lists(st.integers(0, 2), min_size=1, max_size=80).map(
    lambda labels: np.array(labels, dtype=np.int64)
)


@settings(deadline=None, derandomize=True)
@given(labels=LABELS, n=st.integers(1, 90), seed=st.integers(0, 99))
def test_a_sample_keeps_everything_that_belongs_together(
    labels: np.ndarray, n: int, seed: int
) -> None:
    whole = made(labels)
    part = whole.sample(n, seed=seed)
    rows = np.array([int(one) for one in part.ids])
    assert len(part) == min(n, len(whole))
    assert (np.diff(rows) > 0).all()  # the original order, none twice
    everything = slice(None)
    assert (np.asarray(part.read(everything)).ravel() == rows).all()
    assert (np.asarray(part.relevance(everything)).ravel() == (rows % 2 == 0)).all()
    assert (part.labels == labels[rows]).all()
    assert part.attributes["row"].tolist() == [str(row) for row in rows]
    assert part.available == len(whole)


@settings(deadline=None, derandomize=True)
@given(labels=LABELS, n=st.integers(1, 80), seed=st.integers(0, 99))
def test_a_sample_keeps_the_shares_of_the_classes(labels: np.ndarray, n: int, seed: int) -> None:
    """No class is off its fair share by two inputs or more."""
    whole = made(labels)
    part = whole.sample(n, seed=seed)
    fair = np.bincount(labels, minlength=3) * len(part) / len(whole)
    assert (np.abs(np.bincount(part.labels, minlength=3) - fair) < 2).all()


def test_a_rare_class_stays_rare() -> None:
    part = made(np.repeat([0, 1], [180, 20])).sample(50, seed=0)
    assert np.abs(np.bincount(part.labels) - [45, 5]).max() <= 1


def test_the_seed_decides_which_inputs_are_drawn() -> None:
    whole = made(np.arange(300) % 3)
    drawn = {whole.sample(100, seed=seed).ids for seed in (0, 0, 1, 2)}
    assert len(drawn) == 3
    often = np.zeros(300)
    for seed in range(300):
        often[[int(one) for one in whole.sample(100, seed=seed).ids]] += 1
    # Binomial(300, 1/3): mean 100, standard deviation 8.2; six of them on either side.
    assert often.min() > 50
    assert often.max() < 150


@settings(deadline=None, derandomize=True)
@given(first=st.permutations(range(12)), second=st.lists(st.integers(0, 4), max_size=5))
def test_taking_twice_is_taking_once(first: list[int], second: list[int]) -> None:
    whole = made(np.arange(12) % 3)
    second = sorted(set(second)) or [0]
    outer = np.array(first[:5])
    twice = whole.take(outer).take(np.array(second))
    once = whole.take(outer[second])
    assert twice.ids == once.ids
    assert np.array_equal(twice.read(slice(None)), once.read(slice(None)))


def test_texts_and_their_spans_follow_the_rows() -> None:
    texts, spans = ["a b", "c", "d"], [[(0, 1)], [], [(0, 1), (0, 1)]]
    reader = InMemory(texts, spans)
    assert reader.read(np.array([2, 0])) == ["d", "a b"]
    assert reader.relevance(np.array([2, 0])) == [spans[2], spans[0]]
    assert InMemory(texts).relevance(np.array([0])) is None


def test_a_data_set_crosses_processes() -> None:
    whole = made(np.arange(6) % 3).sample(4, seed=0)
    again = pickle.loads(pickle.dumps(whole))
    assert again.ids == whole.ids
    assert np.array_equal(again.read(slice(None)), whole.read(slice(None)))


def test_what_cannot_be_a_data_set() -> None:
    with pytest.raises(DataError, match="holds no inputs"):
        made(np.empty(0, dtype=np.int64))
    with pytest.raises(DataError, match="'x' stands 2 times"):
        made(np.array([0, 1, 2]), ids=("x", "y", "x"))
    with pytest.raises(DataError, match="2 inputs and 3 labels"):
        made(np.array([0, 1, 2]), ids=("x", "y"))


def test_a_missing_column_is_named_with_its_near_miss() -> None:
    frame = pd.DataFrame({"text": ["a"], "lable": ["0"]})
    require_columns(frame, ["text"], where="reviews.csv")
    with pytest.raises(DataError, match=r"reviews.csv has no column 'label'.* mean 'lable'\?"):
        require_columns(frame, ["text", "label"], where="reviews.csv")


def test_either_all_inputs_have_labels_or_none() -> None:
    assert made(np.array([0, 1])).labelled
    bare = made(np.array([-1] * 50))
    assert not bare.labelled
    assert len(bare.sample(20, seed=0)) == 20
    with pytest.raises(DataError, match="1 of 3 inputs have no label"):
        made(np.array([0, -1, 1]))

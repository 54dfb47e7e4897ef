"""Mirrors auditkit/data/labels.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditkit.data.labels import from_rows, match_labels
from auditkit.errors import DataError

CLASSES = ("negative", "neutral", "positive")


def row(i: int) -> str:
    return f"reviews.csv: row {i + 1}"


def found(values: list[object], classes: tuple[str, ...] = CLASSES) -> list[int]:
    return match_labels(values, classes, where=row).labels.tolist()


@settings(deadline=None, derandomize=True)
@given(numbers=st.lists(st.integers(0, 2), min_size=1, max_size=20))
def test_names_and_numbers_give_the_same_classes(numbers: list[int]) -> None:
    names: list[object] = [CLASSES[i] for i in numbers]
    assert found(names) == numbers
    assert found(list(numbers)) == numbers
    assert found([str(i) for i in numbers]) == numbers
    assert found([float(i) for i in numbers]) == numbers
    assert found(list(np.array(numbers, dtype=np.uint8))) == numbers


def test_names_come_before_numbers() -> None:
    assert found(["2", "1", "1"], ("1", "2")) == [1, 0, 0]
    assert found(["00", "01"], ("a", "b")) == [0, 1]
    assert found([True, False], ("no", "yes")) == [1, 0]


def test_numbers_are_said_to_be_numbers() -> None:
    notes = match_labels([0, 2], CLASSES, where=row).notes
    assert notes == (
        "Labels are numbers and were taken in the model's order of classes: 0 is negative, 2 is"
        " positive.",
    )
    assert match_labels(["neutral"], CLASSES, where=row).notes == ()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["positive", "positve"], r"row 2 has the label 'positve'.*knows 'negative', 'neutral',"),
        (["positive", "positve"], r"Did you mean 'positive'\?"),
        (["Positive"], "Did you mean 'positive'"),
        (["positive", "1"], "row 2 has the label '1', which the model does not know"),
        ([0, 3], r"row 2 has the label 3, and the model has 3 classes, numbered 0 to 2"),
        ([1, -1], "row 2 has the label -1"),
        ([0.5], r"row 1 has the label '0.5'"),
        (["positive", None], "row 2 has no label"),
        (["positive", " "], "row 2 has no label"),
        ([1.0, float("nan")], "row 2 has no label"),
    ],
)
def test_a_bad_label_is_named_with_its_row(values: list[object], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        found(values)
    assert caught.value.hint


def test_many_classes_are_not_all_listed() -> None:
    with pytest.raises(DataError, match="'c11' and 88 more"):
        found(["x"], tuple(f"c{i}" for i in range(100)))


def test_labels_from_one_to_k_are_moved_and_that_is_said() -> None:
    matched = match_labels([1, 3, 2], CLASSES, where=row)
    assert matched.labels.tolist() == [0, 2, 1]
    assert matched.notes[0] == "Labels run from 1 to 3: 1 was taken off, so that they count from 0."
    assert "0 is negative" in matched.notes[1]
    assert found(["1", "2"], ("no", "yes")) == [0, 1]
    assert found([1, 2]) == [1, 2]  # no 3: they count from 0


@pytest.mark.parametrize("values", [[2, 3], [0, 1, 3], [1, 4]])
def test_labels_that_only_may_run_from_one_are_refused(values: list[object]) -> None:
    with pytest.raises(DataError, match="numbered 0 to 2"):
        found(values)


@pytest.mark.parametrize("kind", [np.float32, np.int64, np.bool_])
def test_one_hot_rows_are_class_numbers(kind: type) -> None:
    assert from_rows(np.eye(3)[[2, 0, 1]].astype(kind), where=row).tolist() == [2, 0, 1]


@pytest.mark.parametrize("bad", [[0.2, 0.8], [1, 1], [0, 0], [2, -1]])
def test_other_rows_are_refused_with_an_example(bad: list[float]) -> None:
    with pytest.raises(DataError, match=r"row 2 is \[") as caught:
        from_rows(np.array([[0, 1], bad]), where=row)
    assert "argmax" in caught.value.hint

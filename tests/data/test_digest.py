"""Mirrors auditkit/data/digest.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditkit.data.dataset import InMemory
from auditkit.data.digest import batches, bytes_digest, dataset_hash, digests, input_digest


@settings(deadline=None, derandomize=True)
@given(first=st.text(max_size=6), second=st.text(max_size=6))
def test_texts_share_a_digest_when_equal_but_for_outer_spaces(first: str, second: str) -> None:
    same = input_digest(first) == input_digest(second)
    assert same == (first.strip() == second.strip())


def test_images_share_a_digest_when_every_pixel_is_equal() -> None:
    image = np.zeros((1, 2, 2), dtype=np.float32)
    assert input_digest(image) == input_digest(-image)  # -0 is 0
    assert input_digest(image) == input_digest(image.astype(np.float64))
    assert input_digest(image) != input_digest(image.reshape(2, 1, 2))
    moved = image.copy()
    moved[0, 1, 1] = np.nextafter(np.float32(0), np.float32(1))
    assert input_digest(image) != input_digest(moved)
    strided = np.zeros((1, 2, 4), dtype=np.float32)[:, :, ::2]
    assert input_digest(image) == input_digest(strided)


def test_a_missing_value_is_the_same_whatever_its_bits() -> None:
    row = np.array([1, np.nan], dtype=np.float32)
    other = row.copy()
    other.view(np.uint32)[1] = 0xFFC00001  # another NaN
    assert input_digest(row) == input_digest(other)
    assert input_digest(row) != input_digest(np.array([1, 0], dtype=np.float32))
    assert np.isnan(other[1]), "the row is left as it was"


def test_kinds_of_content_are_kept_apart() -> None:
    assert len({input_digest("a"), bytes_digest(b"a"), bytes_digest(b"text")}) == 3


@pytest.mark.parametrize("size", [1, 7, 256])
def test_batches_are_all_inputs_in_order(size: int) -> None:
    texts = [str(i) for i in range(20)]
    parts = list(batches(InMemory(texts), 20, size=size))
    assert [one for part in parts for one in part] == texts
    assert max(map(len, parts)) == min(size, 20)
    assert list(digests(InMemory(texts), 20, size=size)) == list(map(input_digest, texts))


FACTS: dict[str, Any] = {
    "ids": ("1", "2"),
    "labels": np.array([0, 1]),
    "classes": ("no", "yes"),
    "attributes": pd.DataFrame({"age": ["old", "young"]}),
    "contents": ["c1", "c2"],
}


@pytest.mark.parametrize(
    "change",
    [
        {"ids": ("1", "3")},
        {"labels": np.array([0, 0])},
        {"labels": np.array([1, 0])},
        {"attributes": pd.DataFrame({"age": ["old", "old"]})},
        {"attributes": pd.DataFrame({"years": ["old", "young"]})},
        {"attributes": pd.DataFrame(index=range(2))},
        {"contents": ["c1", "c3"]},
        {"contents": ["c2", "c1"]},
        {"attributes": pd.DataFrame({"age": ["oldc", "young"]}), "contents": ["1", "c2"]},
    ],
)
def test_every_part_counts(change: dict[str, Any]) -> None:
    assert dataset_hash(**FACTS) == dataset_hash(**FACTS)
    assert dataset_hash(**{**FACTS, **change}) != dataset_hash(**FACTS)


def test_the_order_of_a_models_classes_does_not_count() -> None:
    other = {"labels": np.array([1, 0]), "classes": ("yes", "no")}
    assert dataset_hash(**{**FACTS, **other}) == dataset_hash(**FACTS)


def test_an_input_without_content_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="zip"):
        dataset_hash(**{**FACTS, "contents": ["c1"]})

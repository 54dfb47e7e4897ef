"""Mirrors auditkit/data/digits.py."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from auditkit.data import digits
from auditkit.data.dataset import Dataset
from auditkit.data.digest import input_digest
from auditkit.data.splits import SPLITS


@pytest.fixture(scope="module")
def splits() -> dict[str, Dataset]:
    return {split: digits.load(split) for split in SPLITS}


def test_every_image_of_the_original_stands_in_one_split(splits: dict[str, Dataset]) -> None:
    pixels, labels = load_digits(return_X_y=True)
    ids = [one for data in splits.values() for one in data.ids]
    assert sorted(ids) == [f"digits-{row:04d}" for row in range(1797)]
    for data in splits.values():
        rows = [int(one.removeprefix("digits-")) for one in data.ids]
        images = np.asarray(data.read(slice(None)))
        assert images.dtype == np.float32
        assert np.array_equal(images.reshape(-1, 64) * 16, pixels[rows])
        assert np.array_equal(data.labels, labels[rows])


def test_scikit_learn_is_asked_where_its_file_has_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    read = digits._table()
    monkeypatch.setattr(digits, "_FILE", "sklearn/elsewhere.csv.gz")
    asked = digits._table()
    assert all(np.array_equal(one, other) for one, other in zip(read, asked, strict=True))


def test_sizes_and_shares(splits: dict[str, Dataset]) -> None:
    for split, data in splits.items():
        assert len(data) == digits.SIZES[split]  # type: ignore[index]
        counts = np.bincount(data.labels, minlength=10)
        whole = np.bincount(load_digits(return_X_y=True)[1])
        share = {"train": 0.6, "validation": 0.15, "test": 0.25}[split]
        assert (np.abs(counts - share * whole) <= 1).all()


def test_equal_images_never_stand_in_two_splits(splits: dict[str, Dataset]) -> None:
    contents = {
        split: {input_digest(one) for one in np.asarray(data.read(slice(None)))}
        for split, data in splits.items()
    }
    assert not contents["train"] & contents["test"]
    assert not contents["train"] & contents["validation"]
    assert not contents["validation"] & contents["test"]
    assert splits["test"].training_digests == contents["train"]
    assert splits["validation"].training_digests == contents["train"]
    assert splits["train"].training_digests is None


def test_a_planted_duplicate_stays_on_one_side(monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = digits._original()
    doubled = (np.repeat(images, 2, axis=0), np.repeat(labels, 2))
    digits._rows.cache_clear()
    monkeypatch.setattr(digits, "_original", lambda: doubled)
    try:
        for split in SPLITS:
            rows = digits._rows(split)
            assert set(rows // 2 * 2) | set(rows // 2 * 2 + 1) == set(rows)
    finally:
        digits._rows.cache_clear()


def test_slices_are_derived_and_said_to_be(splits: dict[str, Dataset]) -> None:
    for data in splits.values():
        assert data.derived == ("brightness", "contrast", "ink") == tuple(data.attributes)
        assert data.sensitive == ()
        for name in data.derived:
            sizes = data.attributes[name].value_counts()
            assert len(sizes) == 2
            assert sizes.min() > 0.3 * len(data)


def test_the_split_is_the_same_for_everyone(splits: dict[str, Dataset]) -> None:
    """Built-in weights were trained on exactly this split."""
    assert {split: data.sha256[:16] for split, data in splits.items()} == HASHES


HASHES = {
    "train": "2aa94e95893553f9",
    "validation": "0e92beb520ff6b89",
    "test": "d3d2ccd026c85b69",
}

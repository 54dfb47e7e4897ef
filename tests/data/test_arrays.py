"""Mirrors auditkit/data/arrays.py."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auditkit.data.arrays import load_arrays
from auditkit.errors import DataError
from tests.data.models import image_model

BYTES = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)
FLOATS = (BYTES / 255).astype(np.float32).transpose(0, 3, 1, 2)
LABELS = np.array([0, 1, 1, 0, 1, 0])


def saved(folder: Path, **arrays: Any) -> Path:
    file = folder / "images.npz"
    np.savez_compressed(file, **arrays)
    return file


def images(file: Path, **options: Any) -> np.ndarray:
    return np.asarray(load_arrays(file, image_model(**options), split="test").read(slice(None)))


def expect(file: Path, message: str, *, hint: str = "", **options: Any) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load_arrays(file, image_model(**options), split="test")
    assert hint in caught.value.hint


def test_either_layout_and_either_kind_of_number_give_the_same_images(tmp_path: Path) -> None:
    last, first = BYTES, BYTES.transpose(0, 3, 1, 2)
    for stored in (last, first, last / 255, FLOATS, FLOATS.astype(np.float64)):
        found = images(saved(tmp_path, x=stored, y=LABELS))
        assert found.dtype == np.float32
        assert found == pytest.approx(FLOATS, abs=1e-7)


def test_grey_images_need_no_channel_axis(tmp_path: Path) -> None:
    file = saved(tmp_path, x=BYTES[:, :, :, 0], y=LABELS)
    assert np.array_equal(images(file, shape=(1, 4, 5))[:, 0] * 255, BYTES[:, :, :, 0])


def test_bytes_are_scaled_to_the_bounds_and_floats_are_not(tmp_path: Path) -> None:
    wide = {"bounds": (0.0, 255.0)}
    assert np.array_equal(
        images(saved(tmp_path, x=BYTES, y=LABELS), **wide), BYTES.transpose(0, 3, 1, 2)
    )
    assert np.array_equal(images(saved(tmp_path, x=FLOATS, y=LABELS), **wide), FLOATS)


@pytest.mark.parametrize(
    ("keys", "read"),
    [
        (("x", "y"), "x"),
        (("images", "labels"), "images"),
        (("inputs", "y"), "inputs"),
        (("x_test", "y_test", "x_train", "y_train"), "x_test"),
    ],
)
def test_names_of_arrays(tmp_path: Path, keys: tuple[str, ...], read: str) -> None:
    values = {
        key: LABELS[: 3 if "train" in key else 6]
        if key.startswith(("y", "l"))
        else BYTES[: 3 if "train" in key else 6]
        for key in keys
    }
    data = load_arrays(saved(tmp_path, **values), image_model(), split="test")
    assert len(data) == 6
    assert data.labels.tolist() == LABELS.tolist()
    assert f"read from {read}" in data.notes[0]
    if "x_train" in keys:
        assert len(load_arrays(tmp_path / "images.npz", image_model(), split="train")) == 3


def test_labels_may_be_names_numbers_or_a_column(tmp_path: Path) -> None:
    names = np.array(["cat", "dog"])[LABELS]
    for labels in (LABELS, LABELS[:, None], names, LABELS.astype(np.float64), LABELS == 1):
        data = load_arrays(saved(tmp_path, x=BYTES, y=labels), image_model(), split="test")
        assert data.labels.tolist() == LABELS.tolist()


def test_class_names_in_the_file_come_before_numbers(tmp_path: Path) -> None:
    file = saved(tmp_path, x=BYTES, y=LABELS, class_names=np.array(["dog", "cat"]))
    data = load_arrays(file, image_model(), split="test")
    assert data.labels.tolist() == (1 - LABELS).tolist()
    file = saved(tmp_path, x=BYTES, y=LABELS, class_names=np.array(["frog", "cat"]))
    assert load_arrays(file, image_model(), split="test").labels.tolist() == LABELS.tolist()


def test_further_arrays_become_columns(tmp_path: Path) -> None:
    sites = np.array([1, 1, 2, 2, 2, 1])
    file = saved(
        tmp_path, x=BYTES, y=LABELS, ids=np.array(list("fedcba")), site=sites,
        other=np.zeros((6, 2)), short=np.zeros(3),
    )  # fmt: skip
    data = load_arrays(file, image_model(), split="test", sensitive=["site"])
    assert data.ids == tuple("fedcba")
    assert data.attributes["site"].tolist() == ["1", "1", "2", "2", "2", "1"]
    assert (data.sensitive, data.derived) == (("site",), ())
    assert list(data.attributes) == ["site"]
    plain = load_arrays(file, image_model(), split="test")
    assert set(plain.derived) == {"brightness", "contrast", "ink"}
    assert "site" in plain.attributes
    assert plain.sha256 == data.sha256
    again = pickle.loads(pickle.dumps(data))
    assert np.array_equal(again.read(slice(None)), data.read(slice(None)))


def test_one_pixel_changes_the_hash(tmp_path: Path) -> None:
    before = load_arrays(saved(tmp_path, x=BYTES, y=LABELS), image_model(), split="test").sha256
    changed = BYTES.copy()
    changed[5, 3, 4, 2] ^= 1
    after = load_arrays(saved(tmp_path, x=changed, y=LABELS), image_model(), split="test").sha256
    assert before != after


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, r"row 4 of x holds nan"),
        (np.inf, r"row 4 of x holds inf"),
        (1.5, r"row 4 of x holds 1.5, and the model's pixels lie in \[0, 1\]"),
        (-0.25, r"row 4 of x holds -0.25"),
    ],
)
def test_a_bad_value_names_the_row(tmp_path: Path, value: float, message: str) -> None:
    bad = FLOATS.copy()
    bad[4, 1, 2, 3] = value
    expect(saved(tmp_path, x=bad, y=LABELS), message, hint="Remove" if value != value else "Scale")


def test_what_does_not_fit(tmp_path: Path) -> None:
    expect(saved(tmp_path, x=BYTES[:, :3], y=LABELS), r"x has shape \(6, 3, 5, 3\)", hint="Resize")
    expect(saved(tmp_path, x=BYTES.astype(int), y=LABELS), "x holds int64", hint="astype")
    expect(saved(tmp_path, x=BYTES, y=LABELS[:5]), "6 images in x and 5 in y")
    expect(saved(tmp_path, x=BYTES[:0], y=LABELS[:0]), "x holds no images")
    expect(saved(tmp_path, x=BYTES, y=LABELS + 2), "row 0 of y has the label 2", hint="from 0")
    message = r"none of the arrays y_test, y, labels; it has x, label. Did you mean 'label'\?"
    expect(saved(tmp_path, x=BYTES, label=LABELS), message, hint="savez")
    expect(saved(tmp_path, x=BYTES, y=LABELS, ids=np.zeros(6)), "'0.0' stands 6 times")
    file = saved(tmp_path, x=BYTES, y=LABELS, site=LABELS)
    with pytest.raises(DataError, match=r"no column 'sight'.*'site'"):
        load_arrays(file, image_model(), split="test", sensitive=["sight"])


def test_objects_and_damaged_files_are_refused(tmp_path: Path) -> None:
    expect(saved(tmp_path, x=np.array([{}] * 6), y=LABELS), "x cannot be read", hint="never loaded")
    file = saved(tmp_path, x=BYTES, y=LABELS)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    expect(file, "cannot be read as an .npz file", hint="savez")
    file.write_bytes(b"")
    expect(file, "cannot be read as an .npz file")
    with file.open("wb") as handle:
        np.save(handle, BYTES)
    expect(file, "holds a single array")
    file.write_bytes(pickle.dumps({"x": 1}))
    expect(file, "cannot be read as an .npz file")


def test_one_hot_labels_are_read_and_said(tmp_path: Path) -> None:
    file = saved(tmp_path, x=BYTES, y=np.eye(2)[LABELS])
    data = load_arrays(file, image_model(), split="test")
    assert data.labels.tolist() == LABELS.tolist()
    assert any("one-hot" in note for note in data.notes)
    expect(saved(tmp_path, x=BYTES, y=np.full((6, 2), 0.5)), r"row 0 of y is \[0.5, 0.5\]")


def test_labels_may_be_absent_where_that_is_said(tmp_path: Path) -> None:
    file = saved(tmp_path, x=FLOATS)
    data = load_arrays(file, image_model(), split="test", unlabelled=True)
    assert data.labels.tolist() == [-1] * 6
    assert data.notes[0] == "Images were read from x."
    expect(file, "none of the arrays y_test, y, labels")
    labelled = load_arrays(
        saved(tmp_path, x=FLOATS, y=LABELS), image_model(), split="test", unlabelled=True
    )
    assert labelled.labels.tolist() == LABELS.tolist()
    assert labelled.sha256 != data.sha256

"""Mirrors auditkit/data/cifar10.py."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from auditkit.data import cifar10
from auditkit.data.cifar10 import file_names, read_archive
from auditkit.data.splits import Split
from auditkit.errors import DataError
from tests.published import needs


def test_the_list_of_images_has_as_many_names_as_it_says() -> None:
    names = file_names()
    assert {split: len(found) for split, found in names.items()} == cifar10.SIZES
    assert len(set(names["train"])) == 10_000
    assert names["train"][0] == "rana_catesbeiana_s_000002.png"


@needs("cifar10")
def test_both_splits_are_balanced_and_the_images_are_upright() -> None:
    data = cifar10.load("test")
    assert np.bincount(data.labels).tolist() == [500] * 10
    assert data.input_shape == (3, 32, 32)
    assert data.training_digests is not None
    assert len(data.training_digests) == 10_000
    images = data.read(np.flatnonzero(data.labels == 8))  # ships
    assert isinstance(images, np.ndarray)
    sky, water = images[:, 2, :8].mean(), images[:, 2, -8:].mean()
    assert sky > water + 0.1  # rows from top to bottom, blue is the third channel


def archive(path: Path, batches: dict[str, object]) -> Path:
    """Write batches as the published archive holds them."""
    with tarfile.open(path, "w:gz") as tar:
        for name, batch in batches.items():
            content = pickle.dumps(batch, protocol=4)
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def batch(names: list[str], first: int) -> dict[bytes, object]:
    rows = np.stack([np.full(3072, first + i, np.uint8) for i in range(len(names))])
    rows[:, :1024] = 255  # the red plane comes first
    return {
        b"filenames": [name.encode() for name in names],
        b"data": rows,
        b"labels": [first + i for i in range(len(names))],
    }


WANTED: dict[Split, list[str]] = {"train": ["b.png", "c.png"], "test": ["d.png"]}


def test_the_archive_gives_the_wanted_images_in_their_order(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "cifar.tar.gz",
        {
            "data_batch_1": batch(["c.png", "a.png"], 1),
            "data_batch_2": batch(["b.png"], 5),
            "test_batch": batch(["d.png"], 7),
            "batches.meta": {b"label_names": []},
        },
    )
    found = read_archive(path, WANTED)
    images, labels = found["train"]
    assert labels.tolist() == [5, 1]
    assert images.shape == (2, 3, 32, 32)
    assert images[:, 0].min() == 255
    assert images[:, 1:].reshape(2, -1).max(axis=1).tolist() == [5, 1]
    assert found["test"][1].tolist() == [7]


def test_an_archive_without_a_wanted_image_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "cifar.tar.gz", {"data_batch_1": batch(["b.png"], 1)})
    with pytest.raises(DataError, match=r"holds no 'c\.png'"):
        read_archive(path, WANTED)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch pwned",)


def test_a_pickle_in_the_archive_never_runs_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = archive(tmp_path / "cifar.tar.gz", {"data_batch_1": Evil()})
    with pytest.raises(DataError, match="only arrays are read"):
        read_archive(path, WANTED)
    assert not (tmp_path / "pwned").exists()


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "cifar.tar.gz", {"data_batch_1": batch(["b.png"], 1)})
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match="cannot be read"):
        read_archive(path, WANTED)

"""Mirrors auditkit/data/peek.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auditkit.data.load import DataSpec
from auditkit.data.peek import Peek, peek


def at(path: Path | str) -> Peek:
    return peek(DataSpec(source=str(path)))


def test_known_images_say_both() -> None:
    assert at("digits") == Peek((1, 8, 8), tuple("0123456789"))
    assert at("phrases") == Peek(None, ("negative", "positive"))
    assert at("breast-cancer") == Peek()


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ((5, 8, 9), (1, 8, 9)),
        ((5, 3, 8, 9), (3, 8, 9)),
        ((5, 8, 9, 3), (3, 8, 9)),
        ((5, 1, 8, 8), (1, 8, 8)),
        ((5, 8, 8, 1), (1, 8, 8)),
        ((5, 64), None),
    ],
)
def test_arrays_say_their_shape(
    tmp_path: Path, shape: tuple[int, ...], found: tuple[int, int, int] | None
) -> None:
    file = tmp_path / "a.npz"
    np.savez(file, x=np.zeros(shape), y=np.zeros(5))
    assert at(file) == Peek(found, None)
    np.savez(file, x_test=np.zeros(shape), y_test=np.zeros(5), class_names=["a", "b"])
    assert at(file) == Peek(found, ("a", "b"))


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("P", 3)])
def test_a_folder_names_its_classes_in_order(tmp_path: Path, mode: str, channels: int) -> None:
    for name in ("dog", "cat", ".git"):
        (tmp_path / name).mkdir()
    Image.new(mode, (7, 5)).save(tmp_path / "dog" / "1.png")
    assert at(tmp_path) == Peek((channels, 5, 7), ("cat", "dog"))
    (tmp_path / "cat" / "0.png").write_bytes(b"no image")
    assert at(tmp_path) == Peek(None, ("cat", "dog"))


def test_what_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    assert at(tmp_path) == Peek()
    assert at(tmp_path / "missing.npz") == Peek()
    (tmp_path / "bad.npz").write_bytes(b"PK")
    assert at(tmp_path / "bad.npz") == Peek()
    assert at("table.csv") == Peek()


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (["pos", "neg", "pos"], ("neg", "pos")),
        (["10", "9", "2"], ("2", "9", "10")),
        (["1", "1", "1"], None),
        ([str(i) for i in range(2000)], None),
    ],
)
def test_a_table_names_its_classes(
    tmp_path: Path, labels: list[str], found: tuple[str, ...] | None
) -> None:
    file = tmp_path / "a.csv"
    file.write_text("text,label\n" + "".join(f"a film,{one}\n" for one in labels))
    assert at(file) == Peek(None, found)
    file.write_text("strange,columns\n1,2\n")
    assert at(file) == Peek()

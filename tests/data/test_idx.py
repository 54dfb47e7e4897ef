"""Mirrors auditkit/data/idx.py."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from auditkit.data.idx import read_idx
from auditkit.errors import DataError

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    head = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_reads_what_was_written(tmp_path: Path, pack: type[bytes]) -> None:
    file = tmp_path / "images"
    file.write_bytes(pack(idx(IMAGES)))
    assert np.array_equal(read_idx(file), IMAGES)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no idx file"),
        (b"PK\x03\x04 and more", "no idx file"),
        (idx(IMAGES, kind=0x0D), "no idx file of eight-bit"),
        (idx(IMAGES)[:9], "cut off in its header"),
        (idx(IMAGES)[:-1], r"announces shape \(2, 3, 4\) and holds 23"),
        (idx(IMAGES) + b"x", "holds 25"),
        (gzip.compress(idx(IMAGES), mtime=0)[:-6], "damaged gzip"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "images"
    file.write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_idx(file)

"""Mirrors auditkit/models/archives.py."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from auditkit.errors import ModelError
from auditkit.models.archives import odd_calls, read_archive
from auditkit.models.states import find_weights
from tests.models.files import (
    StorageHoarder,
    described_tensor,
    handmade,
    rezipped,
    state,
    torch_file,
)


def oddities(path: Path) -> list[str]:
    archive = read_archive(path)
    if archive.oddities:
        return list(archive.oddities)
    assert archive.main is not None
    return list(odd_calls(archive.main, archive.sizes))


def test_a_plain_state_dict_is_read_without_an_oddity(tmp_path: Path) -> None:
    path = torch_file(tmp_path / "m.pt", state())
    archive = read_archive(path)
    assert archive.main is not None
    nest = find_weights(archive.main.result).nest
    assert nest is not None
    found = nest.tensors
    assert {name: one.shape for name, one in found.items()} == {
        name: tuple(value.shape) for name, value in state().items()
    }
    assert {one.dtype for one in found.values()} == {"float32", "int64"}
    assert nest.path == ()
    assert oddities(path) == []


@pytest.mark.parametrize(
    "kind", ["view", "transposed", "parameter", "half", "bool", "empty", "scalar"]
)
def test_ordinary_tensors_are_not_odd(tmp_path: Path, kind: str) -> None:
    base = torch.arange(12.0).view(3, 4)
    value = {
        "view": base[1:, ::2],
        "transposed": base.t(),
        "parameter": torch.nn.Parameter(base),
        "half": base.half(),
        "bool": base > 3,
        "empty": base[:0],
        "scalar": base.sum(),
    }[kind]
    path = torch_file(tmp_path / "m.pt", {"weight": value})
    assert oddities(path) == []
    archive = read_archive(path)
    assert archive.main is not None
    nest = find_weights(archive.main.result).nest
    assert nest is not None
    assert nest.tensors["weight"].shape == tuple(value.shape)


@pytest.mark.parametrize(
    ("shape", "strides", "stored", "said"),
    [
        ((10**12,), (0,), 1, "claims 1,000,000,000,000 numbers"),
        ((2, 2), (0, 0), 4, "stride 0"),
        ((2, 2), (100, 1), 4, "claims"),  # reaches beyond the storage
        ((1,), (1,), 10**9, "are announced"),  # the storage itself is not there
        ((2**62,), (1,), 1, "unusual"),
        ((1,) * 40, (1,) * 40, 1, "unusual"),
    ],
)
def test_a_tensor_larger_than_its_numbers_is_odd(
    tmp_path: Path, shape: tuple[int, ...], strides: tuple[int, ...], stored: int, said: str
) -> None:
    numbers = b"\0" * 4 * (stored if stored < 100 else 1)
    path = handmade(tmp_path / "m.pt", described_tensor(shape, strides, stored=stored), numbers)
    assert any(said in one for one in oddities(path)), oddities(path)


def test_the_hand_made_archive_is_sound_when_its_tensor_is(tmp_path: Path) -> None:
    path = handmade(tmp_path / "m.pt", described_tensor((1,), (1,)))
    assert oddities(path) == []
    assert torch.load(path, weights_only=True)["weight"].shape == (1,)


def test_an_allowed_name_called_to_allocate_is_odd(tmp_path: Path) -> None:
    path = handmade(tmp_path / "bomb.pt", pickle.dumps({"a": StorageHoarder()}, protocol=2))
    assert any("calls torch.FloatStorage" in one for one in oddities(path))


def test_a_tensor_that_is_changed_after_it_was_made_is_odd(tmp_path: Path) -> None:
    """BUILD on a tensor would call `set_` with any shape."""
    program = described_tensor((1,), (1,))
    changed = program[:-2] + b"Nb" + program[-2:]  # None, BUILD before SETITEM and STOP
    path = handmade(tmp_path / "m.pt", changed)
    assert any("BUILD" in one for one in oddities(path))


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"m/DATA.PKL": b"N."}, "two entries"),  # torch ignores case
        ({"../escape": b""}, "points outside"),
        ({"/absolute": b""}, "points outside"),
        ({"archive\\..\\x": b""}, "points outside"),
    ],
)
def test_entries_that_torch_never_writes_are_odd(
    tmp_path: Path, extra: dict[str, bytes], said: str
) -> None:
    source = torch_file(tmp_path / "m.pt", state())
    assert any(said in one for one in oddities(rezipped(source, tmp_path / "odd.pt", extra=extra)))


def test_an_archive_that_unpacks_to_far_more_is_odd_and_not_unpacked(tmp_path: Path) -> None:
    source = torch_file(tmp_path / "m.pt", {"weight": torch.zeros(2_000_000)})
    packed = rezipped(source, tmp_path / "bomb.pt", compression=zipfile.ZIP_DEFLATED)
    archive = read_archive(packed)
    assert any("times its size" in one for one in archive.oddities)
    assert archive.programs == {}


def test_a_moderately_packed_archive_is_not_odd(tmp_path: Path) -> None:
    source = torch_file(tmp_path / "m.pt", state())
    assert oddities(rezipped(source, tmp_path / "p.pt", compression=zipfile.ZIP_DEFLATED)) == []


def test_something_before_or_behind_the_archive_is_odd(tmp_path: Path) -> None:
    source = torch_file(tmp_path / "m.pt", state())
    before = tmp_path / "before.pt"
    before.write_bytes(b"#!/bin/sh\n" + source.read_bytes())
    assert any("before" in one for one in oddities(before))
    behind = rezipped(source, tmp_path / "behind.pt", comment=b"more")
    assert any("behind" in one for one in oddities(behind))


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_truncated_archive_is_damaged(tmp_path: Path, keep: float) -> None:
    path = torch_file(tmp_path / "m.pt", state())
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(ModelError, match="damaged zip"):
        read_archive(path)

"""Mirrors auditkit/models/legacy.py."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

import pytest
import torch

from auditkit.errors import ModelError
from auditkit.models.inspect import inspect_file
from auditkit.models.legacy import read_legacy
from auditkit.models.load import ModelSpec, load_model
from auditkit.models.pickles import read_pickle
from tests.models.files import Net, Smuggler, StorageHoarder, state


def old_file(path: Path, content: object) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=False)
    return path


def test_an_old_file_loads_like_a_new_one(tmp_path: Path) -> None:
    old = old_file(tmp_path / "old.pt", state())
    torch.save(state(), tmp_path / "new.pt")
    images = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    first = load_model(ModelSpec(source=str(old))).predict(images)
    assert torch.equal(
        first, load_model(ModelSpec(source=str(tmp_path / "new.pt"))).predict(images)
    )


def test_storages_are_measured(tmp_path: Path) -> None:
    weight = torch.zeros(3, 4)
    file = read_legacy(
        old_file(tmp_path / "m.pt", {"a": weight, "b": weight[1:], "c": weight.half()})
    )
    assert sorted(file.sizes.values()) == [24, 48]
    assert file.oddities == ()


def test_a_count_that_differs_from_the_tensor_is_not_loaded(tmp_path: Path) -> None:
    path = old_file(tmp_path / "m.pt", {"weight": torch.zeros(5)})
    data = path.read_bytes()
    assert data.count(struct.pack("<q", 5)) == 1
    path.write_bytes(data.replace(struct.pack("<q", 5), struct.pack("<q", 4))[:-4])
    found = inspect_file(path)
    assert not found.safe
    assert any("are announced" in one for one in found.oddities)


def test_a_tensor_larger_than_its_numbers_is_not_loaded(tmp_path: Path) -> None:
    bomb = torch.zeros(1).expand(10**12)
    path = old_file(tmp_path / "m.pt", {"weight": bomb})
    assert path.stat().st_size < 2000
    assert not inspect_file(path).safe


def test_a_file_that_is_cut_off_or_padded_is_not_loaded(tmp_path: Path) -> None:
    path = old_file(tmp_path / "m.pt", state())
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    with pytest.raises(ModelError, match="cut off"):
        read_legacy(path)
    assert inspect_file(path).kind == "damaged"
    path.write_bytes(data + b"x")
    assert not inspect_file(path).safe


@pytest.mark.parametrize("thing", [Smuggler(), Net()])
def test_objects_in_an_old_file_are_refused(tmp_path: Path, thing: object) -> None:
    path = old_file(tmp_path / "m.pt", {"state_dict": state(), "thing": thing})
    found = inspect_file(path)
    assert (found.kind, found.exit_code) == ("torch-pickle", 1)


@pytest.mark.parametrize("thing", [Smuggler(), StorageHoarder()])
def test_an_object_in_a_pickle_around_the_content_is_refused(tmp_path: Path, thing: object) -> None:
    path = old_file(tmp_path / "m.pt", state())
    data = path.read_bytes()
    start = read_pickle(data).size
    start += read_pickle(data[start:]).size  # the third pickle tells about the machine
    stop = start + read_pickle(data[start:]).size
    path.write_bytes(data[:start] + pickle.dumps(thing, protocol=2) + data[stop:])
    assert not inspect_file(path).safe

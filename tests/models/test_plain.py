"""Mirrors auditkit/models/plain.py."""

from __future__ import annotations

import argparse
import collections
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from auditkit.models.inspect import inspect_file
from auditkit.models.plain import allowed_beside_weights
from tests.models.files import handmade, state, torch_file


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    "value",
    [
        argparse.Namespace(lr=0.1, layers=[1, 2], inner=argparse.Namespace(a=None)),
        np.float64(0.5),
        np.float32(0.5),
        np.int64(7),
        np.bool_(True),
        {1, 2},
        b"bytes",
        collections.Counter([3, 3]),
        torch.device("cuda:0"),
        torch.float16,
        torch.Size([2, 3]),
        torch.__version__,
    ],
    ids=lambda value: type(value).__name__,
)
def test_plain_values_beside_weights_are_safe_and_load(
    tmp_path: Path, value: object, legacy: bool
) -> None:
    path = tmp_path / "m.pt"
    saved = {"model": state(), "value": value}
    torch.save(saved, path, _use_new_zipfile_serialization=not legacy)
    found = inspect_file(path)
    assert found.oddities == ()
    assert found.safe
    with allowed_beside_weights():
        assert torch.load(path, weights_only=True)["value"] == value


class Forged:
    """Calls a permitted name with arguments that numpy never writes."""

    def __init__(self, *call: object) -> None:
        self.call = call

    def __reduce__(self) -> tuple[object, ...]:
        return self.call[0], self.call[1:]  # type: ignore[return-value]


SCALAR = np.float64(0).__reduce__()[0]  # type: ignore[index]


@pytest.mark.parametrize(
    "value",
    [
        Forged(np.dtype, "O", False, True),
        Forged(np.dtype, "V1000000000", False, True),
        Forged(np.dtype, "f8", False, False),  # without a copy: numpy's own float64
        Forged(SCALAR, 1, 2),
        Forged(set, 3),
        Forged(torch.device, "cpu", 0, 0),
        Path("x"),
        collections.defaultdict(list),
    ],
    ids=lambda value: str(getattr(value, "call", value)),
)
def test_other_values_and_other_calls_are_not_safe(tmp_path: Path, value: object) -> None:
    path = torch_file(tmp_path / "m.pt", {"model": state(), "value": value})
    assert not inspect_file(path).safe


def test_attributes_that_are_set_one_by_one_are_not_safe(tmp_path: Path) -> None:
    data = pickle.dumps({"model": argparse.Namespace(a=1)}, protocol=2)
    forged = data.replace(b"}q\x04X\x01\x00\x00\x00aq\x05K\x01sb", b"}}\x86b")
    assert forged != data
    found = inspect_file(handmade(tmp_path / "m.pt", forged))
    assert any("BUILD" in one for one in found.oddities)


def test_nothing_more_is_allowed_afterwards() -> None:
    before = set(torch.serialization.get_safe_globals())
    with allowed_beside_weights():
        assert argparse.Namespace in torch.serialization.get_safe_globals()
    assert set(torch.serialization.get_safe_globals()) == before

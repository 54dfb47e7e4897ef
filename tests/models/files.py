"""Model files of every kind, sound, hostile and broken, written into a folder."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch._utils import _rebuild_tensor_v2

from auditkit.models.builtin.digits_cnn import DigitsCnn


class Shout:
    """Unpickling it would create the canary file."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.canary}",)


class Smuggler:
    """Unpickling it would import a module by a function that scanners overlook."""

    def __reduce__(self) -> tuple[object, ...]:
        import importlib

        return importlib.import_module, ("this_module_would_be_imported",)


class Hoarder:
    """Unpickling it would allocate a gigabyte from a few bytes, with names that torch allows."""

    def __reduce__(self) -> tuple[object, ...]:
        return bytearray, (2**30,)


class StorageHoarder:
    """The same with a name that state dicts need."""

    def __reduce__(self) -> tuple[object, ...]:
        return torch.FloatStorage, (2**28,)


class Net(nn.Module):
    """A user's own network."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(12, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.flatten(1))


def state() -> dict[str, torch.Tensor]:
    """The state of a digits-cnn whose numbers are known."""
    torch.manual_seed(0)
    return DigitsCnn(width=4).state_dict()


def torch_file(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def rezipped(
    source: Path,
    path: Path,
    *,
    change: Callable[[str, bytes], tuple[str, bytes]] = lambda name, data: (name, data),
    extra: dict[str, bytes] | None = None,
    compression: int = zipfile.ZIP_STORED,
    comment: bytes = b"",
) -> Path:
    """Write an archive anew with changed or further entries."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", compression) as new:
        for info in old.infolist():
            name, data = change(info.filename, old.read(info))
            new.writestr(name, data)
        for name, data in (extra or {}).items():
            new.writestr(name, data)
        new.comment = comment
    return path


def handmade(path: Path, program: bytes, numbers: bytes = b"\0" * 4) -> Path:
    """Write a torch archive around a pickle, with one storage of key 0."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/data/0", numbers)
        archive.writestr("archive/version", b"3\n")
        archive.writestr("archive/byteorder", b"little")
    return path


def described_tensor(shape: tuple[int, ...], strides: tuple[int, ...], *, stored: int = 1) -> bytes:
    """The pickle of a state dict with one tensor over storage 0, described as given."""

    class Describer(pickle.Pickler):
        def persistent_id(self, obj: object) -> object:
            if obj is marker:
                return ("storage", torch.FloatStorage, "0", "cpu", stored)
            return None

    class Described:
        def __reduce__(self) -> tuple[object, ...]:
            arguments = (marker, 0, shape, strides, False, OrderedDict())
            return _rebuild_tensor_v2, arguments

    marker = object()
    buffer = io.BytesIO()
    Describer(buffer, protocol=2).dump({"weight": Described()})
    return buffer.getvalue()


def onnx_like() -> bytes:
    """The first fields of an ONNX file: version 8, producer "pytorch"."""
    return b"\x08\x08\x12\x07pytorch\x1a\x052.1.0:\x10" + b"\0" * 16

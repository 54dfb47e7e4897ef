"""Reads a zip archive that torch.save wrote, without unpickling it."""

from __future__ import annotations

import lzma
import math
import os
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping as Sizes
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import final

from auditkit.errors import ModelError
from auditkit.models.pickles import (
    Call,
    Mapping,
    Name,
    Program,
    Stored,
    Value,
    is_call,
    read_pickle,
)
from auditkit.models.plain import PLAIN_NAMES, is_plain

PICKLE_LIMIT = 16 * 2**20  # bytes: room for about 100,000 tensors
SCHEMA = "schema.json"  # of skops, which packs very well
SCHEMA_LIMIT = 32 * 2**20  # bytes
UNPACKED_LIMIT = 16  # times the size of the file; weights hardly compress

# Bytes per number of each storage class in the module torch.
_STORAGES = {
    "torch.DoubleStorage": ("float64", 8),
    "torch.FloatStorage": ("float32", 4),
    "torch.HalfStorage": ("float16", 2),
    "torch.BFloat16Storage": ("bfloat16", 2),
    "torch.LongStorage": ("int64", 8),
    "torch.IntStorage": ("int32", 4),
    "torch.ShortStorage": ("int16", 2),
    "torch.CharStorage": ("int8", 1),
    "torch.ByteStorage": ("uint8", 1),
    "torch.BoolStorage": ("bool", 1),
    "torch.ComplexFloatStorage": ("complex64", 8),
    "torch.ComplexDoubleStorage": ("complex128", 16),
}
_DICTIONARY = "collections.OrderedDict"
_TENSOR = "torch._utils._rebuild_tensor_v2"
_OLD_TENSOR = "torch._utils._rebuild_tensor"  # torch 0.3 and before
_PARAMETER = "torch._utils._rebuild_parameter"
_SIZE = "torch.Size"
_DTYPES = {f"torch.{name}" for name, _ in _STORAGES.values()}
_LARGEST, _DIMENSIONS = 2**62, 32  # beyond them, a shape is not meant seriously
HARMLESS = frozenset(
    {_DICTIONARY, _TENSOR, _OLD_TENSOR, _PARAMETER, _SIZE, *_STORAGES, *_DTYPES, *PLAIN_NAMES}
)


@final
@dataclass(frozen=True, kw_only=True)
class TensorFacts:
    """One tensor as the file describes it."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@final
@dataclass(frozen=True, kw_only=True)
class Archive:
    """What a zip archive holds.

    Parameters
    ----------
    entries : dict
        Size of each entry, unpacked, in bytes.
    root : str
        The one folder that torch puts everything into, or an empty string.
    programs : dict
        What each pickle in it would do, by entry.
    oddities : tuple of str
        What torch.save never writes; loading such a file is refused.
    """

    entries: dict[str, int]
    root: str
    programs: dict[str, Program]
    oddities: tuple[str, ...]

    @property
    def main(self) -> Program | None:
        """The pickle that torch.load would read."""
        return self.programs.get(f"{self.root}/data.pkl")

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each storage, by its key."""
        start = f"{self.root}/data/"
        return {
            entry.removeprefix(start): size
            for entry, size in self.entries.items()
            if entry.startswith(start)
        }

    def has(self, name: str) -> bool:
        """Say whether an entry or folder of this name stands below the root."""
        path = f"{self.root}/{name}"
        return any(one == path or one.startswith(f"{path}/") for one in self.entries)


def read_archive(path: Path) -> Archive:
    """Return what a zip archive holds; nothing in it is run or unpacked to disk.

    Raises
    ------
    ModelError
        If the archive is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            oddities = [*_odd_entries(archive, path.stat().st_size)]
            if archive.comment or not _ends(path):
                oddities.append("something stands behind the archive")
            # torch reads numbers without comparing their checksum.
            if not oddities and (broken := archive.testzip()):
                oddities.append(f"the entry {broken!r} does not have its checksum: it is damaged")
            infos = archive.infolist()
            roots = {info.filename.rpartition("/")[0].partition("/")[0] for info in infos}
            programs: dict[str, Program] = {}
            for info in infos if not oddities else ():
                if not info.filename.lower().endswith((".pkl", ".pickle")):
                    continue
                if info.file_size > PICKLE_LIMIT:
                    oddities.append(f"{info.filename} is a pickle of {info.file_size:,} bytes")
                    continue
                programs[info.filename] = read_pickle(archive.read(info))
    except ZIP_DAMAGE as error:
        raise ModelError(f"{path} is a damaged zip archive: {error}.") from error
    return Archive(
        entries={info.filename: info.file_size for info in infos},
        root=roots.pop() if len(roots) == 1 else "",
        programs=programs,
        oddities=tuple(oddities),
    )


# What zipfile raises on archives that were changed at random.
ZIP_DAMAGE = (
    zipfile.BadZipFile,
    OSError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
)


def _odd_entries(archive: zipfile.ZipFile, file_size: int) -> Iterator[str]:
    infos = archive.infolist()
    # torch finds entries without regard to case, so that A and a are the same to it.
    twice = [name for name, n in Counter(i.filename.lower() for i in infos).items() if n > 1]
    for name in twice[:3]:
        yield f"two entries are called {name!r}"
    for info in infos:
        parts = PurePosixPath(info.filename.replace("\\", "/")).parts
        if info.filename.startswith(("/", "\\")) or ".." in parts or ":" in info.filename:
            yield f"the entry {info.filename!r} points outside the archive"
        if info.flag_bits & 0x1:
            yield f"the entry {info.filename!r} is encrypted"
    unpacked = sum(info.file_size for info in infos if not _is_schema(info))
    if unpacked > UNPACKED_LIMIT * file_size:
        yield f"it unpacks to {unpacked:,} bytes, {unpacked // file_size} times its size"
    # Readers disagree about such files: what is inspected may not be what is loaded.
    if infos and min(info.header_offset for info in infos) != 0:
        yield "something stands before the archive"


def _is_schema(info: zipfile.ZipInfo) -> bool:
    return info.filename == SCHEMA and info.file_size <= SCHEMA_LIMIT


def _ends(path: Path) -> bool:
    """Whether nothing follows the record that closes a zip archive without a comment."""
    with path.open("rb") as file:
        file.seek(-22, os.SEEK_END)
        return file.read(4) == b"PK\x05\x06"


# --- the tensors ---------------------------------------------------------------------------------


def odd_calls(program: Program, sizes: Sizes[str, int]) -> Iterator[str]:
    """Say what in a pickle is not how torch.save describes weights and plain values.

    Parameters
    ----------
    program : Program
        What the pickle would do.
    sizes : dict
        Bytes that are stored beside it, by the key of the storage.
    """
    foreign = [name for name in program.names if name not in HARMLESS]
    if foreign:
        yield f"the pickle names {', '.join(foreign[:5])}"
    if program.unusual:
        yield f"the pickle uses {', '.join(program.unusual)}, which weights do not need"
    for stored in program.stored:
        yield from _odd_storage(sizes, stored)
    for call in program.calls:
        yield from _odd_call(call)


def pairs_of(value: Value) -> list[tuple[Value, Value]]:
    """Return the items of a dictionary, or nothing where it is none."""
    if isinstance(value, Mapping) or is_call(value, _DICTIONARY):
        return value.pairs
    return []


def tensor_facts(value: Value, name: str) -> TensorFacts | None:
    """Return what a value of a pickle is as a tensor, or None where it is none."""
    match value:
        case Call(Name(function), (inner, *_)) if function == _PARAMETER:
            value = inner
        case _:
            pass
    made = is_call(value, _TENSOR) or is_call(value, _OLD_TENSOR)
    layout = _layout(value) if made and isinstance(value, Call) else None
    if layout is None:
        return None
    return TensorFacts(name=name, shape=layout.shape, dtype=_STORAGES[layout.kind][0])


@final
@dataclass(frozen=True)
class _Layout:
    """Where the numbers of a tensor lie in its storage."""

    kind: str
    available: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _layout(call: Call) -> _Layout | None:
    match call.arguments:
        case (Stored() as stored, int() as offset, tuple() as shape, tuple() as strides, *_):
            storage = _storage(stored)
            sizes, steps = _whole_numbers(shape), _whole_numbers(strides)
            if storage is None or sizes is None or steps is None or len(sizes) != len(steps):
                return None
            if not 0 <= offset < _LARGEST:
                return None
            return _Layout(storage.kind, storage.numbers, offset, sizes, steps)
        case _:
            return None


@final
@dataclass(frozen=True)
class _Storage:
    kind: str
    key: str
    numbers: int


def _storage(stored: Stored) -> _Storage | None:
    match stored.key:
        case ("storage", Name(kind), str() as key, str(), int() as numbers) | (
            "storage",
            Name(kind),
            str() as key,
            str(),
            int() as numbers,
            None,
        ) if kind in _STORAGES:  # the None is of the format before torch 1.6
            return _Storage(kind, key, numbers) if 0 <= numbers < _LARGEST else None
        case _:
            return None


def storage_width(stored: Stored) -> tuple[str, int] | None:
    """Return key and bytes per number of a storage, or None where it is none."""
    storage = _storage(stored)
    return (storage.key, _STORAGES[storage.kind][1]) if storage else None


def _odd_storage(sizes: Sizes[str, int], stored: Stored) -> Iterator[str]:
    storage = _storage(stored)
    if storage is None:
        yield "the pickle refers to something that is not the numbers of a tensor"
        return
    wanted = storage.numbers * _STORAGES[storage.kind][1]
    there = sizes.get(storage.key)
    if there != wanted:
        yield f"the numbers of storage {storage.key!r} take {there} bytes, {wanted:,} are announced"


def _odd_call(call: Call) -> Iterator[str]:
    name = call.function.text if isinstance(call.function, Name) else "something computed"
    if (is_call(call, _DICTIONARY) and call.arguments == ()) or is_plain(call):
        return
    if call.pairs:
        yield "the pickle sets items on something that is not a dictionary"
    elif call.states or call.new:
        yield f"the pickle uses {'BUILD' if call.states else 'NEWOBJ'} with {name}"
    elif is_call(call, _TENSOR) or is_call(call, _OLD_TENSOR):
        yield from _odd_layout(_layout(call))
    elif not is_call(call, _PARAMETER) and not is_call(call, _SIZE):
        yield f"the pickle calls {name}"


def _odd_layout(layout: _Layout | None) -> Iterator[str]:
    if layout is None:
        yield "a tensor is described in an unusual way"
        return
    count = math.prod(layout.shape)
    reach = layout.offset + sum(
        (size - 1) * step for size, step in zip(layout.shape, layout.strides, strict=True)
    )
    if count and (count > layout.available or reach >= layout.available):
        yield (
            f"a tensor of shape {layout.shape} claims {count:,} numbers,"
            f" {layout.available:,} are stored"
        )
    elif count > 1 and any(
        step == 0 and size > 1 for size, step in zip(layout.shape, layout.strides, strict=True)
    ):
        yield f"a tensor of shape {layout.shape} repeats its numbers (stride 0)"


def _whole_numbers(values: tuple[Value, ...]) -> tuple[int, ...] | None:
    found = [v for v in values if isinstance(v, int) and 0 <= v < _LARGEST]
    return tuple(found) if len(found) == len(values) <= _DIMENSIONS else None

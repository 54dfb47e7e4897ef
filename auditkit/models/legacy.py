"""Reads a file in the format that torch wrote before version 1.6, without unpickling it.

Five pickles follow one another (a number, the version, the machine, the content, the keys of its
storages), then the storages in the order of their keys: a count of eight bytes and the numbers.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, final

from auditkit.errors import ModelError
from auditkit.models.archives import PICKLE_LIMIT, storage_width
from auditkit.models.pickles import Program, Value, read_pickle

MAGIC = 0x1950A86A20F9469CFC6C  # torch writes this number first
_PROTOCOL = 1001


@final
@dataclass(frozen=True, kw_only=True)
class LegacyFile:
    """What a file in the old format holds.

    Parameters
    ----------
    main : Program
        The pickle with the content.
    names : tuple of str
        Everything that any of the five pickles would import.
    sizes : dict
        Bytes of each storage, by its key.
    oddities : tuple of str
        What torch never writes; loading such a file is refused.
    """

    main: Program
    names: tuple[str, ...]
    sizes: dict[str, int]
    oddities: tuple[str, ...]


def is_legacy(programs: list[Program]) -> bool:
    """Say whether the first pickles of a file are those of the old format."""
    return bool(programs) and programs[0].result == MAGIC


def read_legacy(path: Path) -> LegacyFile:
    """Return what a file in the old format holds; nothing in it is run.

    Raises
    ------
    ModelError
        If it is cut off.
    """
    with path.open("rb") as file:
        data = file.read(PICKLE_LIMIT)
        programs: list[Program] = []
        start = 0
        for _ in range(5):
            programs.append(read_pickle(data[start:]))
            start += programs[-1].size
        widths = _widths(programs[3])
        file.seek(start)
        sizes, oddities = _storages(file, programs[4].result, widths, path.stat().st_size)
    if programs[1].result != _PROTOCOL:
        oddities.append(f"its version is {programs[1].result!r}, expected {_PROTOCOL}")
    for at in (0, 1, 2, 4):
        if programs[at].names or programs[at].unusual:
            oddities.append("one of the pickles around the content does more than hold values")
    names = {name for one in programs for name in one.names}
    return LegacyFile(
        main=programs[3], names=tuple(sorted(names)), sizes=sizes, oddities=tuple(oddities)
    )


def _widths(program: Program) -> dict[str, int]:
    found = (storage_width(stored) for stored in program.stored)
    return dict(one for one in found if one is not None)


def _storages(
    file: BinaryIO, keys: Value, widths: dict[str, int], end: int
) -> tuple[dict[str, int], list[str]]:
    """Return bytes by key, read from the counts that stand before the numbers."""
    sizes: dict[str, int] = {}
    for key in keys if isinstance(keys, list) else []:
        if not isinstance(key, str) or key not in widths or key in sizes:
            return sizes, [f"it lists a storage {key!r} that no tensor names once"]
        count = struct.unpack("<q", file.read(8).ljust(8, b"\0"))[0]
        length = count * widths[key]
        if count < 0 or file.tell() + length > end:
            raise ModelError("The file is cut off: numbers of its tensors are missing.")
        sizes[key] = length
        file.seek(length, 1)
    left = end - file.tell()
    return sizes, [f"{left:,} bytes stand behind its tensors"] if left else []

"""Messages between an audit and the process that runs a file's code: plain words and numbers.

Nothing that is received is unpickled, so the code in the other process cannot reach into this one.
"""

from __future__ import annotations

import io
import json
import os
import select
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, final

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
LIMIT = 4 * 2**30  # bytes of one message
_SIZES = struct.Struct("<QQ")  # bytes of the words, and of the numbers


@final
@dataclass(frozen=True)
class Message:
    """Words, and arrays by name."""

    words: Mapping[str, Any]
    arrays: Mapping[str, Array] = field(default_factory=dict[str, Array])


def send(handle: int, message: Message) -> None:
    """Write a message to a file handle."""
    words = json.dumps(dict(message.words)).encode()
    packed = io.BytesIO()
    if message.arrays:
        np.savez(packed, allow_pickle=False, **message.arrays)
    numbers = packed.getbuffer()
    for part in (_SIZES.pack(len(words), len(numbers)), words, numbers):
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(handle, rest) :]


def receive(handle: int, seconds: float | None = None) -> Message:
    """Read a message from a file handle.

    Raises
    ------
    EOFError
        If the other end is closed.
    TimeoutError
        If nothing comes for so many seconds.
    ValueError
        If it is no message.
    """
    n_words, n_numbers = _SIZES.unpack(_read(handle, _SIZES.size, seconds))
    if n_words + n_numbers > LIMIT:
        raise ValueError(f"a message of {n_words + n_numbers:,} bytes")
    words = json.loads(_read(handle, n_words, seconds))
    if not isinstance(words, dict):
        raise ValueError("a message without words")
    numbers = _read(handle, n_numbers, seconds)
    if not numbers:
        return Message(words)
    try:
        with np.load(io.BytesIO(numbers), allow_pickle=False) as archive:
            return Message(words, {name: archive[name] for name in archive.files})
    except (zipfile.BadZipFile, zlib.error, EOFError, AttributeError) as error:
        raise ValueError("numbers that are no archive") from error


def _read(handle: int, size: int, seconds: float | None) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        if seconds is not None and not select.select([handle], [], [], seconds)[0]:
            raise TimeoutError
        some = os.read(handle, min(size - len(parts), 1 << 20))
        if not some:
            raise EOFError
        parts += some
    return bytes(parts)

"""The fields of a protocol buffer, one after another, without a library and without copying."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias, final

from auditkit.errors import ModelError

FIELDS_LIMIT = 500_000  # a network of 10,000 operations has about half of them
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

Content: TypeAlias = "int | memoryview"


@final
@dataclass
class Fuel:
    """How many more fields are read before a file is given up."""

    left: int = FIELDS_LIMIT

    def burn(self) -> None:
        """Count one field.

        Raises
        ------
        ModelError
            If there were too many.
        """
        self.left -= 1
        if self.left < 0:
            raise ModelError(f"The file has more than {FIELDS_LIMIT:,} parts.")


def fields(data: memoryview, fuel: Fuel) -> Iterator[tuple[int, Content]]:
    """Yield number and content of each field: a number, or the bytes of text, message or array.

    Raises
    ------
    ModelError
        If the bytes are no protocol buffer.
    """
    at, end = 0, len(data)
    while at < end:
        fuel.burn()
        key = data[at]  # mostly one byte, as are most numbers: worth a short cut
        key, at = (key, at + 1) if key < 0x80 else _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            short = at < end and data[at] < 0x80
            content, at = (data[at], at + 1) if short else _varint(data, at)
        elif kind == _BYTES:
            short = at < end and data[at] < 0x80
            size, at = (data[at], at + 1) if short else _varint(data, at)
            content, at = data[at : at + size], at + size
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
            content, at = data[at : at + size], at + size
        else:
            raise ModelError(f"A field has the unknown kind {kind}; the file is damaged.")
        if at > end or number == 0:
            raise ModelError("The file ends within a field; it is cut off or damaged.")
        yield number, content


def message(content: Content) -> memoryview:
    """Return the bytes of a message.

    Raises
    ------
    ModelError
        If the field is a number.
    """
    if isinstance(content, int):
        raise ModelError("A number stands where a message is expected; the file is damaged.")
    return content


def text(content: Content) -> str:
    """Return a text; bytes that are none are replaced."""
    return bytes(message(content)).decode("utf-8", errors="replace")


def integer(content: Content) -> int:
    """Return a signed number of 64 bits."""
    if not isinstance(content, int):
        raise ModelError("Bytes stand where a number is expected; the file is damaged.")
    return content - (1 << 64) if content >= 1 << 63 else content


def integers(content: Content) -> list[int]:
    """Return the numbers of a repeated field: one, or many packed together."""
    if isinstance(content, int):
        return [integer(content)]
    found: list[int] = []
    at = 0
    while at < len(content):
        value, at = _varint(content, at)
        found.append(integer(value))
    return found


def real(content: Content) -> float:
    """Return a number in single precision."""
    view = message(content)
    if len(view) != 4:
        raise ModelError("A number in single precision has not four bytes; the file is damaged.")
    return float(struct.unpack("<f", view)[0])


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return the number that starts at a position, and where it ends."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ModelError("The file ends within a number; it is cut off or damaged.")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, at
        shift += 7

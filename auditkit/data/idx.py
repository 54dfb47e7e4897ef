"""The idx format of MNIST and Fashion-MNIST: a few bytes of shape, then eight-bit numbers."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auditkit.errors import DataError

_UINT8 = 0x08


def read_idx(file: Path) -> NDArray[np.uint8]:
    """Return the array in an idx file, which may be compressed with gzip.

    Raises
    ------
    DataError
        If it is no idx file of eight-bit numbers, or is cut off.

    References
    ----------
    LeCun, Cortes and Burges, The MNIST database, section "File formats".
    """
    content = _content(file)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _UINT8:
        raise DataError(f"{file} is no idx file of eight-bit numbers.")
    head = 4 + 4 * content[3]
    if len(content) < head:
        raise DataError(f"{file} is cut off in its header.")
    shape = struct.unpack(f">{content[3]}I", content[4:head])
    if math.prod(shape) != len(content) - head:
        raise DataError(
            f"{file} announces shape {shape} and holds {len(content) - head:,} numbers."
        )
    return np.frombuffer(content, dtype=np.uint8, offset=head).reshape(shape)


def _content(file: Path) -> bytes:
    raw = file.read_bytes()
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file} is a damaged gzip file: {error}.") from error

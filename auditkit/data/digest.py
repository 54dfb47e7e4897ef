"""Content hashes of single inputs and of whole data sets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from auditkit.data.dataset import Batch, Reader
from auditkit.types import Floats, Ints

BATCH = 256  # inputs in memory at a time


def input_digest(one: Floats | str) -> str:
    """Return a hash that two inputs share exactly when their contents are equal.

    Parameters
    ----------
    one : ndarray or str
        One image (c, h, w), row of a table (c,) or graph (v, d + v), compared as float32 number by
        number, or one text, compared exactly but for spaces at its two ends.

    Examples
    --------
    >>> input_digest("fine ") == input_digest("fine") != input_digest("Fine")
    True
    """
    if isinstance(one, str):
        return _hash(b"text", one.strip().encode(errors="surrogatepass"))
    numbers = np.ascontiguousarray(one, dtype=np.float32) + np.float32(0)  # -0 becomes 0
    if numbers.ndim == 1:
        numbers[np.isnan(numbers)] = np.nan  # missing is missing, whatever its bits
    return _hash(b"image", repr(numbers.shape).encode(), numbers.tobytes())


def bytes_digest(content: bytes) -> str:
    """Return the hash of a file's bytes."""
    return _hash(b"bytes", content)


def _hash(*parts: bytes) -> str:
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))  # so that parts cannot run into each other
        state.update(part)
    return state.hexdigest()


def batches(reader: Reader, n: int, *, size: int = BATCH) -> Iterator[Batch]:
    """Yield the first n inputs in order, a batch at a time."""
    for start in range(0, n, size):
        yield reader.read(np.arange(start, min(n, start + size), dtype=np.int64))


def digests(reader: Reader, n: int, *, size: int = BATCH) -> Iterator[str]:
    """Yield the digest of each of the first n inputs in order."""
    for batch in batches(reader, n, size=size):
        yield from map(input_digest, batch)


def dataset_hash(
    *,
    ids: Sequence[str],
    labels: Ints,
    classes: Sequence[str],
    attributes: pd.DataFrame,
    contents: Iterable[str],
) -> str:
    """Return the SHA-256 of everything that was read, in order.

    Columns derived from the inputs do not belong in `attributes`: the inputs already say it all.

    Parameters
    ----------
    ids : sequence of str
        n ids.
    labels : ndarray
        (n,) int64; hashed by class name, so that the order of a model's classes does not matter,
        and as no name where there is no label.
    classes : sequence of str
        Class names.
    attributes : DataFrame
        (n, columns) of group names.
    contents : iterable of str
        n digests, taken one by one.
    """
    state = hashlib.sha256()

    def add(words: Iterable[str]) -> None:
        for word in words:
            content = word.encode(errors="surrogatepass")  # odd file names
            state.update(len(content).to_bytes(8, "little"))
            state.update(content)

    add([str(len(ids)), *map(str, attributes.columns)])
    groups = attributes.to_numpy(dtype=object)  # (n, columns), also where there are no columns
    for one, label, group, content in zip(ids, labels, groups, contents, strict=True):
        add([one, classes[int(label)] if label >= 0 else "", *map(str, group), content])
    return state.hexdigest()

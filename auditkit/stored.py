"""Adversarial inputs beside the result: one compressed file, bounded in size, read with care."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from auditkit.checks.adversarial import MOST_BYTES, Adversarial, Measure
from auditkit.data.dataset import Batch
from auditkit.errors import ResultError
from auditkit.result import AdversarialFile, StoredInputs, write_atomically

FILE = "adversarial.parquet"
MOST_BYTES_IN_ALL = 64 * 2**20  # before compression
MOST_UNPACKED = 256 * 2**20  # of a file that is read, with ids and all
_NUMBERS = "numbers.list.element"
_ABOUT = b"auditkit"  # key of what the columns do not say
_SCHEMA = pa.schema(
    [
        ("check", pa.string()),
        ("parameter", pa.string()),
        ("budget", pa.float64()),
        ("id", pa.string()),
        ("numbers", pa.list_(pa.float32())),  # an image, a row or a graph, flat
        ("text", pa.string()),
    ]
)


class _Group(BaseModel):
    """What the columns do not say of one group."""

    model_config = ConfigDict(extra="forbid", strict=True)

    check: str
    parameter: str
    measure: Measure
    found: int
    cut: int | None
    stored: int
    shape: list[int] | None  # of one input; None for texts


# --- a result's file -----------------------------------------------------------------------------


def write_inputs(
    folder: Path, found: Mapping[str, Sequence[Adversarial]]
) -> AdversarialFile | None:
    """Write `adversarial.parquet` and return its name, its hash and what it holds.

    Where all groups together are too large each gets an equal share of the room. Nothing is
    written, and None returned, where no check handed inputs over.

    Parameters
    ----------
    folder : Path
        Of the result.
    found : mapping
        Groups by check.
    """
    count = sum(len(groups) for groups in found.values())
    if count == 0:
        (folder / FILE).unlink(missing_ok=True)  # of an earlier run into the same folder
        return None
    share = min(MOST_BYTES, MOST_BYTES_IN_ALL // count)
    kept = {check: [one.bounded(share) for one in groups] for check, groups in found.items()}
    content = packed(kept)
    write_atomically(folder / FILE, content)
    return AdversarialFile(
        file=FILE,
        sha256=hashlib.sha256(content).hexdigest(),
        inputs=[
            StoredInputs(
                check=check,
                parameter=one.parameter,
                measure=one.measure,
                stored=len(one),
                found=one.found,
            )
            for check, groups in kept.items()
            for one in groups
        ],
    )


def read_inputs(folder: Path, about: AdversarialFile) -> dict[str, list[Adversarial]]:
    """Return the groups of a result's file by check.

    Raises
    ------
    ResultError
        If the file is missing, is not the one that the result names, or cannot be read.
    """
    file = folder / Path(about.file).name  # never outside the result's own folder
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ResultError(
            f"{file} is missing: it holds the inputs that the result names.",
            hint="Put it beside result.json, or measure the check again with --recompute.",
        ) from error
    if hashlib.sha256(content).hexdigest() != about.sha256:
        raise ResultError(
            f"{file} is not the file that the result names: its hash differs.",
            hint="Put the right one beside result.json, or measure the check again with"
            " --recompute.",
        )
    try:
        return unpacked(content)
    except (pa.ArrowException, ValidationError, ValueError, KeyError) as error:
        raise ResultError(f"{file} holds no adversarial inputs: {error}") from error


# --- bytes ---------------------------------------------------------------------------------------


def packed(found: Mapping[str, Sequence[Adversarial]]) -> bytes:
    """Return groups as the bytes of a parquet file; every bit of an input is kept."""
    named = [(check, one) for check, groups in found.items() for one in groups]
    about = [_about(check, one).model_dump() for check, one in named]
    schema = _SCHEMA.with_metadata({_ABOUT: json.dumps(about).encode()})
    tables = [_table(check, one) for check, one in named]
    table = pa.concat_tables([_SCHEMA.empty_table(), *tables]).cast(schema)
    buffer = BytesIO()
    shortened: Any = [_NUMBERS]  # the stubs know only a bool
    pq.write_table(table, buffer, compression="zstd", use_dictionary=shortened)
    return buffer.getvalue()


def unpacked(content: bytes) -> dict[str, list[Adversarial]]:
    """Return what `packed` took.

    Raises
    ------
    ValueError, ArrowException, ValidationError
        If the bytes are something else, or would unpack to far more than is ever written.
    """
    file = pq.ParquetFile(BytesIO(content))
    if (size := _unpacked_size(file.metadata)) > MOST_UNPACKED:
        raise ValueError(f"it would unpack to {size} bytes")
    table = file.read()
    about = json.loads((table.schema.metadata or {})[_ABOUT])
    found: dict[str, list[Adversarial]] = {}
    start = 0
    for one in (_Group.model_validate(each) for each in about):
        rows = table.slice(start, one.stored)
        found.setdefault(one.check, []).append(_group(one, rows))
        start += one.stored
    return found


def _unpacked_size(metadata: pq.FileMetaData) -> int:
    """Return how many bytes a file unpacks to; of what a dictionary shortens, by the entries."""
    size = 0
    for i in range(metadata.num_row_groups):
        group = metadata.row_group(i)
        for column in (group.column(j) for j in range(group.num_columns)):
            if column.has_dictionary_page and column.path_in_schema != _NUMBERS:
                raise ValueError(f"its column {column.path_in_schema} is not as it is written here")
            size += max(column.total_uncompressed_size, 8 * column.num_values)
    return size


def _about(check: str, one: Adversarial) -> _Group:
    return _Group(
        check=check,
        parameter=one.parameter,
        measure=one.measure,
        found=one.found,
        cut=one.cut,
        stored=len(one),
        shape=None if isinstance(one.inputs, list) else list(one.inputs.shape[1:]),
    )


def _table(check: str, one: Adversarial) -> pa.Table:
    m, inputs = len(one), one.inputs
    texts = isinstance(inputs, list)
    flat = None if isinstance(inputs, list) else inputs.reshape(m, int(np.prod(inputs.shape[1:])))
    return pa.table(
        {
            "check": [check] * m,
            "parameter": [one.parameter] * m,
            "budget": one.budgets,
            "id": list(one.ids),
            "numbers": _lists(flat) if flat is not None else [None] * m,
            "text": inputs if texts else [None] * m,
        },
        schema=_SCHEMA,
    )


def _lists(flat: np.ndarray) -> pa.ListArray:
    """Return rows (m, d) as m lists of d numbers, bit by bit."""
    m, d = flat.shape
    offsets = np.arange(m + 1, dtype=np.int32) * d
    values = np.ascontiguousarray(flat, dtype=np.float32).reshape(-1)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values))


def _group(about: _Group, rows: pa.Table) -> Adversarial:
    return Adversarial(
        parameter=about.parameter,
        measure=about.measure,
        ids=tuple(rows.column("id").to_pylist()),
        inputs=_inputs(about, rows),
        budgets=rows.column("budget").to_numpy(),
        found=about.found,
        cut=about.cut,
    )


def _inputs(about: _Group, rows: pa.Table) -> Batch:
    if about.shape is None:
        return rows.column("text").to_pylist()
    values = rows.column("numbers").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return values.astype(np.float32).reshape(about.stored, *about.shape)

"""Per-input records beside the result: one row per input, one column per check and quantity."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from auditkit.checks.base import Records
from auditkit.data.dataset import Dataset
from auditkit.privacy import names_a_group
from auditkit.result import RecordsFile, write_atomically

FILE = "records.parquet"


def write_records(
    folder: Path,
    data: Dataset,
    records: Mapping[str, Records],
    *,
    names: Sequence[str] | None = None,
) -> RecordsFile:
    """Write `records.parquet` and return its name and hash.

    Columns are `id`, `label`, `slice/<column>` and `<check>/<quantity>`. Where small cells are
    suppressed there are no slices: crossed with labels and answers they would tell small cells. Nor
    are there quantities that are about a group, such as how likely an input belongs to it.
    Where `names` are given they stand in the place of the ids. A check that was given fewer inputs
    than others has no value for the rest.
    """
    columns: dict[str, pa.Array] = {
        "id": pa.array(data.ids if names is None else names),
        "label": pa.array([data.classes[i] for i in data.labels]),
    }
    for name in () if data.min_cell else data.attributes.columns:
        columns[f"slice/{name}"] = pa.array(data.attributes[name].astype(str).tolist())
    for check, one in records.items():
        rows = pa.array(_rows(one.ids, data))
        for name, column in one.columns.items():
            if names_a_group(name, data):
                continue
            columns[f"{check}/{name}"] = pa.array(np.ascontiguousarray(column)).take(rows)
    buffer = BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="zstd")
    content = buffer.getvalue()
    write_atomically(folder / FILE, content)
    return RecordsFile(file=FILE, sha256=hashlib.sha256(content).hexdigest())


def _rows(ids: Sequence[str], data: Dataset) -> list[int | None]:
    """Return where each input of the data is among the ids; None where it is not."""
    if ids == data.ids:
        return list(range(len(ids)))
    places = {one: i for i, one in enumerate(ids)}
    return [places.get(one) for one in data.ids]

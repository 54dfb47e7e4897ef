"""Result to Parquet: one row per finding, one type per column."""

from __future__ import annotations

import io

from auditkit.render.rows import COLUMNS, Cell, rows
from auditkit.result import Result


def render_parquet(result: Result) -> bytes:
    """Return the file; a column has its type also where all of it is missing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {str: pa.string(), float: pa.float64(), int: pa.int64()}
    columns: dict[str, list[Cell]] = {name: [] for name in COLUMNS}
    for row in rows(result):
        for name, column in columns.items():
            column.append(row[name])
    table = pa.table(
        {name: pa.array(values, type=kinds[COLUMNS[name]]) for name, values in columns.items()}
    )
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()

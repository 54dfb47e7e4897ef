"""Mirrors auditkit/render/parquet.py."""

from __future__ import annotations

import io

import pandas as pd
import pyarrow.parquet as pq

from auditkit.render.parquet import render_parquet
from auditkit.render.rows import COLUMNS, rows
from tests.render.sample import image_result


def test_the_rows_come_back_with_their_types() -> None:
    result = image_result()
    table = pd.read_parquet(io.BytesIO(render_parquet(result)))
    assert list(table.columns) == list(COLUMNS)
    assert [
        {name: None if pd.isna(cell) else cell for name, cell in row.items()}
        for row in table.to_dict("records")
    ] == list(rows(result))


def test_no_finding_at_all_keeps_the_types() -> None:
    empty = image_result().model_copy(update={"outcomes": []})
    kept = pq.read_schema(io.BytesIO(render_parquet(empty)))
    assert kept.equals(pq.read_schema(io.BytesIO(render_parquet(image_result()))))

"""A result with its per-input records, read for a comparison."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditkit.errors import ResultError
from auditkit.findings import Finding, Outcome
from auditkit.result import Result, read_result, result_file
from auditkit.types import Strings

MOST_UNPACKED = 2**30  # bytes of records, before they are read


@dataclass(frozen=True)
class Loaded:
    """One result, and the columns of its records where they are there.

    Parameters
    ----------
    result : Result
        As it was written.
    columns : mapping
        (n,) arrays by name; empty where there are none.
    missing : str
        Why there are none, as a sentence.
    """

    result: Result
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict[str, NDArray[Any]])
    missing: str = ""

    @property
    def ids(self) -> Strings:
        """The inputs, (n,)."""
        return self.columns["id"]

    @cached_property
    def outcomes(self) -> dict[str, Outcome]:
        """Every check by id."""
        return {one.check: one for one in self.result.outcomes}

    @cached_property
    def findings(self) -> dict[str, Finding]:
        """Every finding by id."""
        return {one.id: one for outcome in self.result.outcomes for one in outcome.findings}

    def of(self, check: str) -> dict[str, NDArray[Any]]:
        """Return the columns of one check by their short names."""
        start = f"{check}/"
        return {
            name.removeprefix(start): column
            for name, column in self.columns.items()
            if name.startswith(start)
        }


def load(path: str | Path) -> Loaded:
    """Read a result and its records; records that are missing or altered are left out and said.

    Raises
    ------
    ResultError
        If the result itself cannot be read.
    """
    return read_records(read_result(path), result_file(path).parent)


def read_records(result: Result, folder: Path) -> Loaded:
    """Return a result with its records in a folder; what is missing or altered is said."""
    try:
        return Loaded(result, _records(result, folder))
    except ResultError as error:
        return Loaded(result, missing=error.message)


def _records(result: Result, folder: Path) -> dict[str, NDArray[Any]]:
    about = result.records
    if about is None:
        raise ResultError(f"The result of {result.model.name} has no records.")
    file = folder / Path(about.file).name  # never outside the result's own folder
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ResultError(f"{file} is missing.") from error
    if hashlib.sha256(content).hexdigest() != about.sha256:
        raise ResultError(f"{file} is not the file that the result names: its hash differs.")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        parquet = pq.ParquetFile(BytesIO(content))
        groups = (parquet.metadata.row_group(i) for i in range(parquet.metadata.num_row_groups))
        if sum(one.total_byte_size for one in groups) > MOST_UNPACKED:
            raise ResultError(f"{file} is larger than a comparison reads.")
        table = parquet.read()
    except (pa.ArrowException, OSError) as error:
        raise ResultError(f"{file} cannot be read: {error}") from error
    columns = {name: _array(table.column(name)) for name in table.column_names}
    if "id" not in columns or len(np.unique(columns["id"])) != len(columns["id"]):
        raise ResultError(f"{file} has no column of unique ids.")
    return columns


def _array(column: Any) -> NDArray[Any]:
    if column.null_count and str(column.type) == "bool":
        column = column.cast("float64")  # NaN where a check was given fewer inputs
    array = column.to_numpy()
    return array.astype(np.str_) if array.dtype == object else array

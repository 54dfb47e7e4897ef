"""Rows, labels and groups in a .csv, .tsv or .parquet file, as a tabular model reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from auditkit.data.assemble import assemble
from auditkit.data.columns import groups_of
from auditkit.data.dataset import Dataset, InMemory, require_columns
from auditkit.data.labels import match_labels, no_labels
from auditkit.data.tables import LABEL, ids_of, read_frame, usual_column
from auditkit.errors import ConfigError, DataError
from auditkit.models.tabular import TabularClassifier
from auditkit.types import Floats

LABELS = (*LABEL, "target", "outcome", "y")  # names of columns that need not be named


def load_rows(
    file: Path,
    model: TabularClassifier,
    *,
    split: str,
    columns: Sequence[str] | None = None,
    sensitive: Sequence[str] = (),
    unlabelled: bool = False,
) -> Dataset:
    """Return the rows of a table whose first row names its columns.

    The model's columns are found by name, whatever their order; further columns are groups. An
    empty cell, "?" and "NA" count as missing. The column `id` gives the ids, unless the model reads
    it, or else the rows are counted from 1, without the header.

    Parameters
    ----------
    file : Path
        UTF-8 text, or Parquet.
    model : TabularClassifier
        Gives classes and columns.
    split : str
        Name of the split.
    columns : sequence of str, optional
        Name of the label column. By default label, sentiment, class, category, target, outcome or
        y.
    sensitive : sequence of str
        Columns that compare people; they may be columns of the model.
    unlabelled : bool
        Whether the column of labels may be absent.

    Raises
    ------
    ConfigError
        If `columns` names more than one column.
    DataError
        If the table cannot be read, a column is missing, a value is no number or no known
        category, or a label is missing or unknown.
    """
    frame = read_frame(file)
    if len(frame) == 0:
        raise DataError(f"{file} holds no rows.")
    label = _label(frame.columns.tolist(), columns, file, absent=unlabelled)
    if label is not None:
        require_columns(frame, [label], where=str(file))
    if label in model.schema.names:
        raise DataError(
            f"{file}: the column {label!r} is an input of {model.identity.name}, not the label.",
            hint="Name the label column: --columns label",
        )
    rows = model.schema.rows(frame, where=str(file))
    labels = no_labels(len(frame))
    if label is not None:
        labels = match_labels(
            [None if one != one else one for one in frame[label].tolist()],  # NaN is not itself
            model.classes,
            where=lambda i: f"{file}: row {i + 1}",
        )
    read = {label, *model.schema.names} - set(sensitive)
    others = frame.drop(columns=[name for name in frame if name in read])
    named = "id" in others
    return assemble(
        model,
        name=file.name,
        split=split,
        ids=ids_of(others.pop("id"), file) if named else [str(i + 1) for i in range(len(frame))],
        labels=labels,
        groups=groups_of(others, sensitive=sensitive, where=str(file)),
        sensitive=sensitive,
        reader=InMemory(rows),
        notes=_notes(model, rows),
    )


def _label(
    there: list[str], columns: Sequence[str] | None, file: Path, *, absent: bool
) -> str | None:
    """Return the label column; None where there is none, if it may be absent."""
    if absent and not set(columns or LABELS) & set(there):
        return None
    if columns is None:
        return label_column(there, file)
    if len(columns) != 1:
        raise ConfigError(
            f"--columns names {', '.join(columns)}; of a table of numbers and categories it names"
            " the label column alone.",
            hint="The model's own columns are found by their names: --columns label",
        )
    return columns[0]


def label_column(there: Sequence[object], file: Path) -> str:
    """Return the first of the usual names of a label that a table of rows has.

    Raises
    ------
    DataError
        If it has none of them.
    """
    hint = "Name the column that holds the labels: --columns NAME"
    return usual_column(there, LABELS, "label", file, hint=hint)


def _notes(model: TabularClassifier, rows: Floats) -> list[str]:
    counts = np.isnan(rows).sum(axis=0).tolist()
    new = [
        f"{one.name} ({count})"
        for one, count in zip(model.schema.features, counts, strict=True)
        if count and not one.missing
    ]
    if not new:
        return []
    return ["Values are missing in columns that were complete in training: " + ", ".join(new) + "."]

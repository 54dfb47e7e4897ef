"""Says what data tell about the inputs and classes of a model that itself says neither."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd

from auditkit.data.catalogue import DATA
from auditkit.data.files import looking_in
from auditkit.data.load import DataSpec, published_in
from auditkit.data.peek import peek
from auditkit.data.rows import label_column
from auditkit.data.schema import Schema
from auditkit.data.tables import SUFFIXES, TEXT, read_frame
from auditkit.types import Modality

_NO_VALUE = ("", "?", "NA", "NaN", "nan")  # in a cell


@final
@dataclass(frozen=True, kw_only=True)
class Hints:
    """What data tell about a model.

    Parameters
    ----------
    source : str
        What the user typed for the data.
    modality : Modality, optional
        What the data hold, where that can be told.
    input_shape : (c, h, w), optional
        Of an image.
    classes : tuple of str, optional
        Names, in the order of the data.
    columns : Schema, optional
        Columns of a table but the label and the ids, with kinds and categories as they are found.
    inputs : tuple of str
        Those of them that compare nobody, and so may be inputs.
    """

    source: str
    modality: Modality | None = None
    input_shape: tuple[int, int, int] | None = None
    classes: tuple[str, ...] | None = None
    columns: Schema | None = None
    inputs: tuple[str, ...] = ()


def hints_of(spec: DataSpec) -> Hints:
    """Return what data tell.

    Parameters
    ----------
    spec : DataSpec
        Which data.

    Raises
    ------
    DataError
        If a table cannot be read, or has no column of labels.
    """
    path = Path(spec.source)
    if spec.source in DATA:
        return _known(spec)
    if path.is_dir() and (name := published_in(path)):
        with looking_in(path):
            return _known(DataSpec(source=name, split=spec.split))
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return _table(path, spec)
    seen = peek(spec)
    modality = "image" if seen.input_shape else None
    return Hints(
        source=spec.source,
        modality=modality,
        input_shape=seen.input_shape,
        classes=seen.classes,
    )


def _known(spec: DataSpec) -> Hints:
    known = DATA[spec.source]
    if known.modality not in ("image", "tabular"):
        return Hints(source=spec.source, modality=known.modality)
    data = known.load(spec.split)
    return Hints(
        source=spec.source,
        modality=known.modality,
        input_shape=data.input_shape,
        classes=data.classes,
        columns=data.schema,
        inputs=data.schema.names if data.schema else (),
    )


def _table(file: Path, spec: DataSpec) -> Hints:
    if spec.columns is not None and len(spec.columns) > 1:
        return Hints(source=spec.source, modality="text")  # a text and a label column
    frame = read_frame(file)
    there = frame.columns.tolist()
    label = spec.columns[0] if spec.columns else label_column(there, file)
    labels = frame.pop(label) if label in there else None  # else it is missed where it is read
    columns = frame.drop(columns=["id"], errors="ignore")
    return Hints(
        source=spec.source,
        modality="text" if set(TEXT) & set(there) else "tabular",
        classes=None if labels is None else _classes(labels),
        columns=Schema.of(_typed(columns)) if len(columns.columns) and len(columns) else None,
        inputs=tuple(str(name) for name in columns if name not in spec.sensitive),
    )


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which columns of texts that are all numbers hold numbers."""
    return pd.DataFrame({str(name): _column(column) for name, column in frame.items()})


def _column(column: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column):
        return column
    cells = ["" if pd.isna(one) else str(one).strip() for one in column.tolist()]
    try:
        numbers = [math.nan if cell in _NO_VALUE else float(cell) for cell in cells]
    except ValueError:
        return column
    return column if math.inf in map(abs, numbers) else pd.Series(numbers)


def _classes(labels: pd.Series) -> tuple[str, ...] | None:
    """Return the names of all labels in alphabetical order, or in that of whole numbers."""
    names = sorted({_name(one) for one in labels.tolist() if not pd.isna(one)})
    if all(name.removeprefix("-").isdecimal() for name in names):
        names = sorted(names, key=int)
    return tuple(names) if len(names) > 1 else None


def _name(label: object) -> str:
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return str(label).strip()


def as_read(schema: Schema, rows: np.ndarray) -> pd.DataFrame:
    """Return rows (n, c) as the table that pandas.read_csv would make of them.

    Categories are words, `True` and `False` truth values, columns of whole numbers int64. A number
    that single precision holds is the shortest decimal that gives it, as it stood in the file.

    Parameters
    ----------
    schema : Schema
        The columns.
    rows : array
        (n, c) float32: numbers, category numbers, NaN where a value is missing.
    """
    held = schema.frame(rows.astype(np.float32))
    columns = {one.name: held[one.name].to_numpy() for one in schema.features}
    return pd.DataFrame(
        {
            one.name: _words(columns[one.name], one.categories)
            if one.kind == "categorical"
            else _numbers(columns[one.name], integer=one.integer)
            for one in schema.features
        }
    )


def _words(column: np.ndarray, categories: Sequence[str]) -> np.ndarray:
    words = np.asarray(column, dtype=object)
    is_truth = set(categories) <= {"True", "False"} and not pd.isna(words).any()
    return words == "True" if is_truth else words


def _numbers(column: np.ndarray, *, integer: bool) -> np.ndarray:
    if integer and np.array_equal(column, np.round(column)):
        return column.astype(np.int64)
    return column.astype(np.float32).astype("U32").astype(np.float64)

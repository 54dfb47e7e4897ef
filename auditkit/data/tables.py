"""Texts, labels and further columns in a .csv, .tsv or .parquet file."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import pandas as pd

from auditkit.data.assemble import assemble
from auditkit.data.columns import groups_of
from auditkit.data.dataset import Dataset, InMemory, require_columns
from auditkit.data.labels import match_labels, no_labels
from auditkit.errors import ConfigError, DataError
from auditkit.models.classifier import TextClassifier

SUFFIXES = (".csv", ".tsv", ".parquet")
TEXT = ("text", "sentence", "review")  # names of columns that need not be named
LABEL = ("label", "sentiment", "class", "category")


def load_table(
    file: Path,
    model: TextClassifier,
    *,
    split: str,
    columns: Sequence[str] | None = None,
    sensitive: Sequence[str] = (),
    unlabelled: bool = False,
) -> Dataset:
    """Return the texts of a table.

    In .tsv files quotes are ordinary characters; in .csv files they enclose fields. A file whose
    first row holds none of the names in `columns` has no header: the names are given to its columns
    from left to right. The column `id` gives the ids, or else the rows are counted from 1, without
    the header.

    Parameters
    ----------
    file : Path
        UTF-8 text, or Parquet.
    model : TextClassifier
        Gives the classes.
    split : str
        Name of the split.
    columns : sequence of str, optional
        Names of the text and the label column, then of further ones where there is no header. By
        default text, sentence or review; and label, sentiment, class or category.
    sensitive : sequence of str
        Columns that compare people.
    unlabelled : bool
        Whether the column of labels may be absent.

    Raises
    ------
    ConfigError
        If `columns` does not name two columns.
    DataError
        If the table cannot be read, a column is missing, or a text or label is missing or unknown.
    """
    table = read_table(file, columns, unlabelled=unlabelled)
    frame, n = table.frame, len(table.frame)
    if n == 0:
        raise DataError(f"{file} holds no rows.")
    texts = _texts(frame, table.text, file)
    labels = no_labels(n)
    if table.label is not None:
        labels = match_labels(
            [None if pd.isna(one) else one for one in frame[table.label]],
            model.classes,
            where=lambda i: f"{file}: row {i + 1}",
            hint="" if table.has_header else _header_hint(columns, frame),
        )
    others = frame.drop(columns=[one for one in (table.text, table.label) if one is not None])
    ids = ids_of(others.pop("id"), file) if "id" in others else [str(i + 1) for i in range(n)]
    return assemble(
        model,
        name=file.name,
        split=split,
        ids=ids,
        labels=labels,
        groups=groups_of(others, sensitive=sensitive, where=str(file)),
        sensitive=sensitive,
        reader=InMemory(texts),
    )


@final
@dataclass(frozen=True)
class Table:
    """A table and which of its columns hold text and label."""

    frame: pd.DataFrame
    text: str
    label: str | None  # None where there is none
    has_header: bool


def read_table(file: Path, columns: Sequence[str] | None, *, unlabelled: bool = False) -> Table:
    """Return a table whose columns all have names; see `load_table`."""
    if columns is not None and (len(columns) < 2 or len(set(columns)) < len(columns)):
        raise ConfigError(
            f"--columns names {', '.join(columns)}, expected two different names: text and label.",
            hint="Write, for example: --columns text,label",
        )
    has_header = True
    if columns is not None and file.suffix.lower() != ".parquet":
        first = _read_text(file, header=None, nrows=1)
        cells = [str(cell).strip() for cell in first.iloc[0]] if len(first) else []
        has_header = bool(set(columns) & set(cells))
    if has_header:
        frame = read_frame(file)
    else:
        frame = _read_text(file, header=None)
        frame.columns = _given(columns or (), frame.shape[1], file)
    if columns is None:
        there = frame.columns.tolist()
        text = usual_column(there, TEXT, "text", file)
        absent = unlabelled and not set(LABEL) & set(there)
        return Table(
            frame, text, None if absent else usual_column(there, LABEL, "label", file), has_header
        )
    text, label = columns[:2]
    if text in LABEL and label in TEXT:
        text, label = label, text
    if unlabelled and label not in frame.columns:
        require_columns(frame, [text], where=str(file))
        return Table(frame, text, None, has_header)
    require_columns(frame, columns, where=str(file))
    return Table(frame, text, label, has_header)


def read_frame(file: Path) -> pd.DataFrame:
    """Return a table whose first row names its columns; all cells of text files are texts.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    if file.suffix.lower() == ".parquet":
        return _parquet(file)
    frame = _read_text(file, header=0)
    frame.columns = [str(name).strip() for name in frame.columns]
    return frame


def _read_text(file: Path, **options: Any) -> pd.DataFrame:
    tabs = file.suffix.lower() == ".tsv"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row with too many fields
            return pd.read_csv(
                file,
                sep="\t" if tabs else ",",
                quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL,
                dtype=str,
                index_col=False,
                keep_default_na=False,  # "null" and "NA" are words
                na_values=[""],
                encoding="utf-8-sig",
                **options,
            )
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{file} is empty.") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file} is not UTF-8: {error}.",
            hint="Convert it: iconv -f latin1 -t utf-8 FILE > NEW",
        ) from error
    except (pd.errors.ParserError, pd.errors.ParserWarning, OSError) as error:
        raise DataError(
            f"{file} cannot be read as a table: {str(error).strip()}.",
            hint="Every row needs the same number of fields; quote texts that hold the separator.",
        ) from error


def _parquet(file: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(file).reset_index(drop=True)
    except (OSError, ValueError) as error:  # pyarrow's own errors are among these
        reason = str(error).partition("\n")[0].rstrip(".")
        raise DataError(f"{file} cannot be read as a Parquet file: {reason}.") from error


def _given(names: Sequence[str], width: int, file: Path) -> list[str]:
    if len(names) > width:
        raise DataError(
            f"{file} has {width} columns, and --columns names {len(names)}: {', '.join(names)}.",
            hint="Check the separator: commas in .csv files, tabs in .tsv files.",
        )
    return [*names, *(f"column {i + 1}" for i in range(len(names), width))]


def usual_column(
    there: Sequence[object],
    names: Sequence[str],
    what: str,
    file: Path,
    *,
    hint: str = "Name the columns, also where there is no header: --columns text,label",
) -> str:
    """Return the first of the usual names that a table has.

    Raises
    ------
    DataError
        If it has none of them.
    """
    for name in names:
        if name in there:
            return name
    found = ", ".join(repr(str(name))[:40] for name in there[:12])
    raise DataError(
        f"{file} has no {what} column ({', '.join(names)}); its first row holds {found}.",
        hint=hint,
    )


def _texts(frame: pd.DataFrame, name: str, file: Path) -> list[str]:
    values: list[object] = list(frame[name])
    for i, value in enumerate(values):
        if not isinstance(value, str) or not value.strip():
            number = isinstance(value, int | float) and not pd.isna(value)
            seen = f"the number {value}" if number else "no text"
            raise DataError(
                f"{file}: row {i + 1} has {seen} in the column {name!r}.",
                hint="Fill it in, or remove the row.",
            )
    return [str(value) for value in values]


def ids_of(column: pd.Series, file: Path) -> list[str]:
    """Return the ids in a column, or raise DataError naming the first row without one."""
    missing = column.isna().to_numpy()
    if missing.any():
        raise DataError(
            f"{file}: row {int(missing.argmax()) + 1} has no id.",
            hint="Fill it in, or drop the id column.",
        )
    return [str(one) for one in column]


def _header_hint(columns: Sequence[str] | None, frame: pd.DataFrame) -> str:
    first = ",".join(str(cell) for cell in frame.iloc[0, :8] if len(str(cell)) < 40)
    return (
        f"The first row was read as data, because it names none of {', '.join(columns or ())}."
        f" If it is a header, name its columns: --columns {first}"
    )

"""Columns from a file of their own, joined to any data by id."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from auditkit.data.columns import MISSING, groups_of
from auditkit.data.dataset import Dataset
from auditkit.data.tables import SUFFIXES, ids_of, read_frame
from auditkit.errors import DataError, near_miss
from auditkit.paths import special

ID = "id"


def read_attributes(file: Path) -> pd.DataFrame:
    """Return the columns of a file by id: the index holds the ids, each once.

    Raises
    ------
    DataError
        If the file cannot be read, has no column `id` or no other, or an id is missing or stands
        twice.
    """
    if not file.exists():
        raise DataError(
            f"There is no file {str(file)!r} with attributes.",
            hint=f"--attributes names a {', '.join(SUFFIXES)} file with a column {ID}.",
        )
    kind = special(file) or ("a folder" if file.is_dir() else None)
    if kind or file.suffix.lower() not in SUFFIXES:
        raise DataError(
            f"{file} is {kind or 'of no known format'}; attributes are read from"
            f" {', '.join(SUFFIXES)} files.",
            hint=f"Write a table with a column {ID} and one column per attribute.",
        )
    frame = read_frame(file)
    columns = list(map(str, frame.columns))
    if len(frame) == 0:
        raise DataError(f"{file} holds no rows.")
    if ID not in columns:
        raise DataError(
            f"{file} has no column {ID!r} to join by; it has {', '.join(map(repr, columns))}."
            f"{near_miss(ID, columns)}",
            hint=f"Name the column that holds the ids of the inputs {ID}.",
        )
    twice, count = Counter(columns).most_common(1)[0]
    if count > 1:
        raise DataError(f"{file} has {count} columns named {twice!r}.", hint="Rename all but one.")
    if len(columns) == 1:
        raise DataError(f"{file} has ids and no attributes.", hint="Add a column per attribute.")
    frame.columns = columns
    ids = ids_of(frame.pop(ID), file)
    twice, count = Counter(ids).most_common(1)[0]
    if count > 1:
        raise DataError(
            f"{file}: the id {twice!r} stands {count} times; an input has its attributes once.",
            hint="Keep one row per id.",
        )
    return frame.set_axis(ids, axis=0)


def with_attributes(
    data: Dataset,
    table: pd.DataFrame,
    *,
    file: Path,
    sensitive: Sequence[str],
    min_cell: int | None = None,
) -> Dataset:
    """Return the same inputs with further columns.

    Parameters
    ----------
    data : Dataset
        n inputs.
    table : DataFrame
        Columns by id; see `read_attributes`.
    file : Path
        Where they come from.
    sensitive : sequence of str
        Which of them compare people. Where there are any, columns derived from the inputs go.
    min_cell : int, optional
        Small groups are to be pooled: how many inputs have no row, and which, is not said.

    Raises
    ------
    DataError
        If a column is in the data already, or no id is.
    """
    known = set(data.attributes.columns) - set(data.derived)
    known |= set(data.schema.names) if data.schema is not None else set()
    for name in table.columns:
        if name in known:
            raise DataError(
                f"{file} brings a column {name!r}, which {data.name} has already.",
                hint="Rename it in one of the two, so that it is clear which one is meant.",
            )
    there = set(table.index)
    missing = [one for one in data.ids if one not in there]
    if len(missing) == len(data):
        raise DataError(
            f"{file} has none of the ids of {data.name}: it has {_some(table.index)}; the data have"
            f" {_some(data.ids)}.",
            hint="Ids are those of the column id of the data, paths within a folder, or row"
            " numbers from 1.",
        )
    joined = table.reindex(list(data.ids)).reset_index(drop=True)
    groups = groups_of(joined, sensitive=sensitive, where=str(file))
    gone = list(data.derived) if sensitive else [d for d in data.derived if d in joined]
    own = data.attributes.drop(columns=gone)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    unused = len(there) - (len(data) - len(missing))
    return replace(
        data,
        attributes=own.join(groups.attributes),
        sensitive=tuple(dict.fromkeys([*data.sensitive, *sensitive])),
        derived=tuple(one for one in data.derived if one not in gone),
        sha256=_hash(data.sha256, groups.attributes),
        attributes_sha256=digest,
        notes=(
            *data.notes,
            _note(file, digest, table, missing, unused, min_cell is not None),
            *groups.notes,
        ),
    )


def _some(ids: Sequence[str] | pd.Index) -> str:
    return ", ".join(repr(str(one))[:60] for one in ids[:3]) + (", ..." if len(ids) > 3 else "")


def _note(
    file: Path, digest: str, table: pd.DataFrame, missing: list[str], unused: int, discreet: bool
) -> str:
    said = [f"{', '.join(map(str, table.columns))} come from {file.name} (SHA-256 {digest[:12]})."]
    if missing:
        some = "some" if discreet else f"{len(missing)}"
        such = "" if discreet else f", such as {missing[0]!r}"
        said.append(f"It has no row for {some} of the inputs{such}: they are in {MISSING!r}.")
    if unused:
        some = "Some" if discreet else f"{unused}"
        said.append(f"{some} of its rows belong to none of the inputs.")
    return " ".join(said)


def _hash(before: str, attributes: pd.DataFrame) -> str:
    """Return a hash of the data with what was joined, whatever the order of the file's rows."""
    state = hashlib.sha256(before.encode())
    for name in attributes:
        for word in (str(name), *attributes[name]):
            content = str(word).encode(errors="surrogatepass")
            state.update(len(content).to_bytes(8, "little"))
            state.update(content)
    return state.hexdigest()

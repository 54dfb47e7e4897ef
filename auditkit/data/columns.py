"""From the further columns of a user's data to named groups."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np
import pandas as pd

from auditkit.errors import DataError, near_miss
from auditkit.types import Floats

MISSING = "(missing)"
MOST_GROUPS = 50  # a column with more values is no slice unless it is asked for
MOST_NUMBERS = 20  # a sensitive column with more of them is taken for an amount, not for names


@final
@dataclass(frozen=True)
class Groups:
    """Group names (n, columns) as strings, and what was left out."""

    attributes: pd.DataFrame
    notes: tuple[str, ...]


def groups_of(frame: pd.DataFrame, *, sensitive: Sequence[str], where: str) -> Groups:
    """Turn columns (n rows) into group names.

    A missing value is the group "(missing)". A column with one value, or with more than 50 that
    nobody asked for, is left out and noted. A sensitive column of more than 20 different numbers is
    cut into quarters whose names state the edges, and this is noted too.

    Parameters
    ----------
    frame : DataFrame
        (n, columns) of strings, numbers or truth values.
    sensitive : sequence of str
        Columns that must be there.
    where : str
        Names the data in messages.

    Raises
    ------
    DataError
        If a sensitive column is missing.
    """
    require_sensitive(sensitive, list(map(str, frame.columns)), where=where)
    kept: dict[str, list[str]] = {}
    left_out: list[str] = []
    cut: list[str] = []
    for name, column in frame.items():
        groups = _texts(column)
        asked, count = name in sensitive, len(set(groups))
        if asked:
            kept[str(name)] = _quarters(column) if count > MOST_NUMBERS else groups
            if kept[str(name)] != groups:
                cut.append(str(name))
        elif count > MOST_GROUPS:
            left_out.append(f"{name} ({count} values)")
        elif count < 2:
            left_out.append(f"{name} (one value)")
        else:
            kept[str(name)] = groups
    notes: list[str] = []
    if cut:
        notes.append(
            f"Numbers were cut into quarters, whose names state the edges: {', '.join(cut)}. To"
            " compare each number by itself, write names instead, such as 'area 7'."
        )
    if left_out:
        notes.append(
            f"Columns that make no slices were left out: {', '.join(left_out)}. Name one with"
            " --sensitive to use it all the same."
        )
    return Groups(pd.DataFrame(kept, index=range(len(frame))), tuple(notes))


def require_sensitive(sensitive: Sequence[str], known: Sequence[str], *, where: str) -> None:
    """Raise DataError naming the first sensitive column that is not there."""
    for name in sensitive:
        if name not in known:
            has = f"it has {', '.join(map(repr, known))}" if known else "it has none"
            each = " ".join(f"--sensitive {shlex.quote(one.strip())}" for one in name.split(","))
            raise DataError(
                f"{where} has no column {name!r} to slice by; {has}.{near_miss(name, known)}",
                hint=f"Name every column by itself: {each}"
                if "," in name
                else "Name one of its columns with --sensitive, or leave the option out.",
            )


def _texts(column: pd.Series) -> list[str]:
    return [_text(value) for value in column.tolist()]


def _text(value: object) -> str:
    if value is None or value is pd.NaT or value is pd.NA:
        return MISSING
    if isinstance(value, float):
        if np.isnan(value):
            return MISSING
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value).strip() or MISSING


def _quarters(column: pd.Series) -> list[str]:
    """Return the quarter of each number, or the values themselves where not all are numbers."""
    texts = _texts(column)
    there = np.array([text != MISSING and text.lower() != "nan" for text in texts])
    try:
        values = np.array(
            [float(text) if known else np.nan for text, known in zip(texts, there, strict=True)]
        )
    except ValueError:
        return texts
    if not np.isfinite(values[there]).all():
        return texts
    edges = _edges(values[there])
    names = [
        f"< {edges[0]:g}",
        *(f"{a:g} to < {b:g}" for a, b in pairwise(edges)),
        f">= {edges[-1]:g}",
    ]
    place = np.searchsorted(edges, values, side="right")  # NaN comes last, and is not looked at
    return [names[i] if known else MISSING for i, known in zip(place, there, strict=True)]


def _edges(values: Floats) -> Floats:
    """Return the quartiles in six digits: the edges that are named are the edges that are used."""
    return np.unique([float(f"{edge:.6g}") for edge in np.quantile(values, [0.25, 0.5, 0.75])])

"""Result to CSV: one row per finding, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io

from auditkit.render.rows import COLUMNS, Cell, rows
from auditkit.result import Result

_ACTS = ("=", "+", "-", "@", "\t", "\r")  # with these, a spreadsheet reads a text as a formula


def render_csv(result: Result) -> str:
    """Return the rows as CSV (RFC 4180, but lines end in a line feed); undefined is empty.

    A text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows(result):
        writer.writerow({key: _inert(value) for key, value in row.items()})
    return file.getvalue()


def _inert(cell: Cell) -> Cell:
    """Return a cell that a spreadsheet shows as it is.

    Examples
    --------
    >>> _inert("=1+1"), _inert(-0.5), _inert("age=old")
    ("'=1+1", -0.5, 'age=old')
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_ACTS) else cell

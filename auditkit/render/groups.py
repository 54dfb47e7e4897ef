"""The same groups under everything that was measured of them: one table across the families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from auditkit.findings import Finding, Outcome
from auditkit.render import words
from auditkit.result import Result
from auditkit.types import Family

MOST_ROWS = 60  # groups; the others are with their checks
MOST_COLUMNS = 8
_ALSO: dict[str, Family] = {"ece": "calibration"}  # of another family than the check that has it


@dataclass(frozen=True)
class Column:
    """One check's value per group: its metric, and the settings that it was measured at."""

    outcome: Outcome
    family: Family
    metric: str
    label: str
    cells: dict[str, Finding]  # by slice


@dataclass(frozen=True)
class Row:
    """A group, or the gap between the groups of a column of the data."""

    name: str
    cells: Sequence[Finding | None]
    about: str  # the column of the data
    is_gap: bool = False


@dataclass(frozen=True)
class Stresses:
    """Groups from top to bottom, families from left to right."""

    columns: Sequence[Column]
    rows: Sequence[Row]
    left_out: int


def stresses(result: Result) -> Stresses | None:
    """Return the table, or None where fewer than two checks measured the same groups.

    A check gives its first metric per group, at the first settings that it reports; calibration
    errors per group stand in a column of their own.
    """
    columns = [column for one in result.outcomes for column in _columns(one)]
    shared = _shared(columns)
    columns = [one for one in columns if _has_any(one, shared)][:MOST_COLUMNS]
    if len({one.outcome.check for one in columns}) < 2:
        return None
    everything = dict.fromkeys(name for one in columns for name in one.cells)
    names = [name for name in everything if name in shared]
    rows = [
        row
        for data_column, members in groupby(names, key=_column_of)
        for row in _rows(data_column, list(members), columns)
    ]
    return Stresses(columns, rows[:MOST_ROWS], max(0, len(rows) - MOST_ROWS))


def _columns(outcome: Outcome) -> list[Column]:
    """Return the first metric per group, and those of other families."""
    found: dict[str, dict[str, Finding]] = {}
    settings: dict[str, object] = {}
    for one in outcome.findings:
        if "=" not in one.slice:
            continue
        if settings.setdefault(one.metric, _settings(one)) == _settings(one):
            found.setdefault(one.metric, {}).setdefault(one.slice, one)
    first = next(iter(found), None)
    return [
        Column(
            outcome,
            _ALSO.get(metric, outcome.family) if metric != first else outcome.family,
            metric,
            _label(outcome, next(iter(cells.values()))),
            cells,
        )
        for metric, cells in found.items()
        if metric == first or metric in _ALSO
    ]


def _settings(finding: Finding) -> tuple[tuple[str, str], ...]:
    return tuple(words.settings(finding))


def _label(outcome: Outcome, finding: Finding) -> str:
    whole = finding.model_copy(update={"slice": "all"})
    return words.subject(outcome, whole)


def _shared(columns: Sequence[Column]) -> set[str]:
    """Return the groups that at least two checks measured."""
    seen: dict[str, set[str]] = {}
    for one in columns:
        for name in one.cells:
            seen.setdefault(name, set()).add(one.outcome.check)
    return {name for name, checks in seen.items() if len(checks) > 1}


def _has_any(column: Column, shared: set[str]) -> bool:
    return any(one.value is not None for name, one in column.cells.items() if name in shared)


def _column_of(name: str) -> str:
    return name.split("=", maxsplit=1)[0]


def _rows(data_column: str, names: Sequence[str], columns: Sequence[Column]) -> list[Row]:
    gaps = [_gap(one, data_column) for one in columns]
    groups = [Row(name, [one.cells.get(name) for one in columns], data_column) for name in names]
    gap = Row(f"gap by {data_column}", gaps, data_column, is_gap=True)
    return [*groups, gap] if any(gaps) else groups


def _gap(column: Column, data_column: str) -> Finding | None:
    """Return the check's own gap of the same metric, at the same settings."""
    wanted = _settings(next(iter(column.cells.values())))
    for one in column.outcome.findings:
        if (
            one.slice == data_column
            and one.metric == f"{column.metric}_gap"
            and _settings(one) == wanted
        ):
            return one
    return None

"""The findings of a check as a table: the columns that they need, and what stands in the cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from auditkit.findings import Finding
from auditkit.percent import plain_percent
from auditkit.render import words
from auditkit.render.outline import Mark, Reading

MAX_PRESSING = 8_000  # rows of a page that missed a limit
MAX_ROWS = 3_000  # of a page, unless more than that missed a limit
LEAST_ROWS = 20  # of one check, however many checks there are
LONG = 16  # rows that are still shown unfolded
MAX_SETTINGS = 3  # swept parameters with a column each


@dataclass(frozen=True)
class Row:
    """One finding as cells; an undefined one has its reason as value."""

    finding: Finding
    labels: Sequence[str]
    value: str
    interval: str
    marks: Sequence[Mark]


@dataclass(frozen=True)
class Group:
    """The rows of one metric."""

    metric: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class FindingTable:
    """The findings of one check; a column that would say nothing is left out.

    Parameters
    ----------
    heads : sequence of str
        Titles of the columns that tell rows apart; empty where the metric alone does.
    interval_title : str
        Level and kind of the intervals where all share them.
    has_limits : bool
        Whether any row met a limit.
    groups : sequence of Group
        Rows by metric.
    left_out : int
        Findings that are not shown.
    """

    heads: Sequence[str]
    interval_title: str
    has_limits: bool
    groups: Sequence[Group]
    left_out: int

    @property
    def is_long(self) -> bool:
        """Whether the table is better folded."""
        return sum(len(group.rows) for group in self.groups) > LONG


class Room(NamedTuple):
    """How many rows a page has for each of its checks: that missed a limit, and others."""

    pressing: int = MAX_PRESSING
    others: int = MAX_ROWS


ROOM = Room()


def room_in_page(readings: Sequence[Reading]) -> Room:
    """Return how many findings of each check there is room for in a page of all of them.

    What missed a limit comes first: it is all there up to `MAX_PRESSING` rows of a page.
    """
    checks = max(1, sum(1 for one in readings if one.outcome.findings))
    findings = sum(len(one.outcome.findings) for one in readings)
    pressing = sum(
        len(one.waived) + sum(limit.status != "pass" for limit in one.judgements)
        for one in readings
    )
    return Room(
        MAX_PRESSING if pressing <= MAX_PRESSING else max(LEAST_ROWS, MAX_PRESSING // checks),
        MAX_ROWS if findings <= MAX_ROWS else max(LEAST_ROWS, (MAX_ROWS - pressing) // checks),
    )


def leaves_out(readings: Sequence[Reading]) -> bool:
    """Return whether the page of these checks has no room for some of their findings."""
    room = room_in_page(readings)
    return any(len(_shown(one, room)) < len(one.outcome.findings) for one in readings)


def finding_table(reading: Reading, room: Room = ROOM) -> FindingTable:
    """Return the findings by metric and slice, each in ascending order of what was swept.

    Where there is no room for all, those that missed a limit stay first, then those that met one,
    then undefined ones.
    """
    findings = _shown(reading, room)
    names = list(dict.fromkeys(name for one in findings for name, _ in words.settings(one)))
    settings = names if len(names) <= MAX_SETTINGS else ["settings"]
    sliced = any(one.slice != "all" for one in findings)
    title = _interval_title(findings)
    groups = [
        Group(
            words.line(words.metric_of(reading.outcome, rows[0]).label),
            [
                _row(reading, one, settings, sliced=sliced, plain=title != "Interval")
                for one in rows
            ],
        )
        for rows in _by_metric(findings)
    ]
    return FindingTable(
        heads=[*(["slice"] if sliced else []), *settings],
        interval_title=title,
        has_limits=any(row.marks for group in groups for row in group.rows),
        groups=groups,
        left_out=len(reading.outcome.findings) - len(findings),
    )


def _by_metric(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Return one list per metric; metrics, slices and names keep the order in which they appear."""
    found: dict[str, list[Finding]] = {}
    for one in findings:
        found.setdefault(one.metric, []).append(one)
    return [_ascending(rows) for rows in found.values()]


def _ascending(rows: list[Finding]) -> list[Finding]:
    seen: dict[object, int] = {}

    def place(value: object) -> tuple[float, int]:
        if isinstance(value, (int, float)):
            return float(value), 0
        return 0.0, seen.setdefault(value, len(seen))

    def key(one: Finding) -> list[tuple[float, int]]:
        swept = (one.params.get(name) for name, _ in words.settings(one))
        return [place(one.slice), *(place(value) for value in swept)]

    return sorted(rows, key=key)


def _shown(reading: Reading, room: Room) -> list[Finding]:
    findings = reading.outcome.findings
    weights = {id(one): _weight(one, reading.marks_on(one)) for one in findings}
    pressing = [one for one in findings if weights[id(one)] == 0]
    others = sorted((one for one in findings if weights[id(one)]), key=lambda one: weights[id(one)])
    kept = {id(one) for one in (*pressing[: room.pressing], *others[: room.others])}
    return [one for one in findings if id(one) in kept]


def _weight(finding: Finding, marks: Sequence[Mark]) -> int:
    if any(one.standing != "pass" for one in marks):
        return 0
    if marks:
        return 1
    return 2 if finding.value is None else 3


def _interval_title(findings: Sequence[Finding]) -> str:
    kinds = {(one.level, one.interval == "null-band") for one in findings if one.low is not None}
    if len(kinds) == 1 and not (kind := kinds.pop())[1]:
        return f"{plain_percent(kind[0])} interval"
    return "Interval"


def _row(
    reading: Reading, finding: Finding, settings: Sequence[str], *, sliced: bool, plain: bool
) -> Row:
    own = dict(words.settings(finding))
    together = ", ".join(f"{name} {value}" for name, value in own.items())
    slice_name = "all inputs" if finding.slice == "all" else words.line(finding.slice)
    values = [own.get(one, together if one == "settings" else "") for one in settings]
    return Row(
        finding=finding,
        labels=[*([slice_name] if sliced else []), *(one or "-" for one in values)],
        value=words.value_of(finding),
        interval=_plain_range(finding) if plain else words.range_of(finding),
        marks=reading.marks_on(finding),
    )


def _plain_range(finding: Finding) -> str:
    if finding.low is None or finding.high is None:
        return ""
    return words.span(finding.low, finding.high, finding.unit)

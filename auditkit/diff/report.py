"""What a comparison of two results says: plain data, as JSON and for every renderer."""

from __future__ import annotations

import json
from typing import Literal, TypeAlias

from pydantic import Field

from auditkit.findings import Finding, Frozen, ImageRow, TextRow
from auditkit.types import Better, Family

SCHEMA = 1
Direction: TypeAlias = Literal["worse", "better", "unclear", "other", "same"]
Standing: TypeAlias = Literal["regressed", "held", "open"]
Move: TypeAlias = Literal["new", "persisting", "fixed", "opened", "closed"]
DiffStatus: TypeAlias = Literal["no_regression", "regression", "incomplete"]
EXIT_CODES: dict[DiffStatus, int] = {"no_regression": 0, "regression": 1, "incomplete": 3}


class Side(Frozen):
    """One of the two results."""

    model: str
    model_sha256: str
    data: str
    split: str
    data_sha256: str
    n: int
    started: str
    suite: str
    verdict: str


class Change(Frozen):
    """One finding before and after.

    `difference` is after minus before; it has an interval unless `why` says what is missing.
    """

    finding: str
    check: str
    family: Family
    about: str  # in words
    metric: str
    unit: str
    better: Better
    before: float | None
    after: float | None
    n_before: int
    n_after: int
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    level: float
    interval: str = "none"  # newcombe-paired, bootstrap-paired, newcombe, square-and-add, exact
    paired: bool = False
    n: int = 0  # inputs that both have, where paired
    direction: Direction = "unclear"
    why: str = ""  # why it is not compared, or has no interval
    headline: bool = False
    standing: Standing | None = None  # None: not judged
    tolerance: float = 0.0  # how much worse was allowed

    def drop(self, finding: Finding) -> Finding | None:
        """Return by how much the finding got worse, as a finding; None where nobody can say."""
        if self.difference is None or self.better == "neither":
            return None
        sign = 1.0 if self.better == "lower" else -1.0
        ends = None if self.low is None or self.high is None else (self.low, self.high)
        low, high = (None, None) if ends is None else sorted(sign * end for end in ends)
        return finding.model_copy(
            update={
                "value": sign * self.difference + 0.0,
                "low": low,
                "high": high,
                "interval": self.interval,
                "level": self.level,
                "n": self.n if self.paired else min(self.n_before, self.n_after),
                "undefined": None,
            }
        )


class Moved(Frozen):
    """What became of a limit that failed, or fails."""

    limit: str
    finding: str
    about: str
    before: str  # pass, fail, incomplete, or absent
    after: str
    move: Move
    reason: str


class Flip(Frozen):
    """An input whose answer is right in one of the two results alone."""

    id: str
    label: str
    before: str  # the answer; empty where nobody noted it
    after: str
    lost: bool  # right before, wrong now
    exhibit: ImageRow | TextRow | None = None


class FlipGroup(Frozen):
    """Flips among the inputs of one class or group, and the change of accuracy there."""

    column: str  # class, or the name of the slice's column; empty for all inputs
    group: str
    n: int
    lost: int
    gained: int
    before: float
    after: float
    low: float
    high: float
    p: float  # exact McNemar test, two-sided
    p_holm: float | None = None  # over all groups that have enough inputs
    small: bool = False  # fewer inputs than the minimum: no p


class Flips(Frozen):
    """Which answers became right or wrong."""

    check: str  # whose records tell
    n: int
    lost: int
    gained: int
    changed: int | None  # other answers, also from wrong to wrong; None where they are not noted
    groups: list[FlipGroup]
    listed: list[Flip]  # lost first; at most as many as `at_most`
    at_most: int


class Diff(Frozen):
    """A whole comparison."""

    schema_: Literal[1] = Field(default=SCHEMA, alias="schema")
    auditkit: str
    before: Side
    after: Side
    status: DiffStatus
    exit_code: int
    sentence: str
    tolerance: float
    level: float
    changes: list[Change]
    moves: list[Moved]
    refused: list[str]  # checks that are not compared, and why, as sentences
    only_before: list[str]  # findings that the other result lacks
    only_after: list[str]
    flips: Flips | None
    why_no_flips: str = ""
    notes: list[str] = []


def to_json(diff: Diff) -> str:
    """Return the comparison as JSON text."""
    content = diff.model_dump(mode="json", by_alias=True)
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

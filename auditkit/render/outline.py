"""The order of a report: which families, checks and findings come first; no markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias
from urllib.parse import unquote

from auditkit.findings import Finding, Outcome
from auditkit.render import words
from auditkit.result import Judgement, LimitStatus, Rated, Result, Waived
from auditkit.types import FAMILIES, Family, Status

Standing: TypeAlias = Literal[
    "fail", "incomplete", "errored", "waived", "pass", "unjudged", "skipped", "not_applicable"
]
ORDER: tuple[Standing, ...] = (
    "fail",
    "incomplete",
    "errored",
    "waived",
    "pass",
    "unjudged",
    "skipped",
    "not_applicable",
)
STANDINGS: dict[Standing, str] = {
    "fail": "Failed",
    "incomplete": "Incomplete",
    "errored": "Errored",
    "waived": "Waived",
    "pass": "Passed",
    "unjudged": "Not judged",
    "skipped": "Skipped",
    "not_applicable": "Not applicable",
}

STATUSES: dict[Status, str] = {
    "measured": "Measured",
    "errored": "Errored",
    "skipped": "Skipped",
    "not_applicable": "Not applicable",
}


class Mark(NamedTuple):
    """What a limit said about a finding."""

    standing: Standing
    limit: str  # as the result has it: "ece <= 0.03"
    in_words: str  # "at most 3 %"


@dataclass(frozen=True)
class Decision:
    """A limit, with what it was held against where that exists."""

    judgement: Judgement
    outcome: Outcome | None
    finding: Finding | None

    @property
    def about(self) -> str:
        """What the limit is about, in words where the finding exists."""
        if self.outcome is None or self.finding is None:
            return words.line(self.judgement.finding)
        return words.subject(self.outcome, self.finding)

    @property
    def _unit(self) -> str:
        return "" if self.finding is None else self.finding.unit

    @property
    def limit(self) -> str:
        """The limit, in the unit of what it was held against."""
        return words.limit(self.judgement, self._unit)

    @property
    def interval(self) -> str:
        """The interval that was judged, with its unit."""
        return words.judged_interval(self.judgement, self._unit)

    @property
    def demand(self) -> str:
        """The limit with its metric, without settings and slice."""
        if self.outcome is None or self.finding is None or self.judgement.bound is None:
            return self.limit  # a sentence that names the metric
        return f"{words.line(words.metric_of(self.outcome, self.finding).label)} {self.limit}"

    @property
    def shortfall(self) -> str:
        """How the limit is not surely met, with the interval where there is one."""
        if not self.interval:
            return words.line(self.judgement.reason)
        standing = "surely missed" if self.judgement.status == "fail" else "open"
        return f"{standing} ({self.interval})"


@dataclass(frozen=True)
class Reading:
    """One check with what the policy said about it."""

    outcome: Outcome
    standing: Standing
    judgements: Sequence[Judgement]
    waived: Sequence[Waived]
    ratings: Sequence[Rated] = ()

    @property
    def headline(self) -> Finding | None:
        """The finding that stands for the check: one that decided it, else the check's own."""
        own = self.outcome.headline
        decisive = [one.finding for one in self.judgements if one.status == self.standing]
        wanted = [own] if own in decisive else [*decisive, own]
        by_id = {finding.id: finding for finding in self.outcome.findings}
        found = [by_id[one] for one in wanted if one in by_id]
        return next(iter([*found, *self.outcome.findings]), None)

    @property
    def has_run(self) -> bool:
        """Whether the check was tried."""
        return self.outcome.status in ("measured", "errored")

    @property
    def decisions(self) -> list[Decision]:
        """Every limit on the check, with the finding that it met."""
        return [self.decision(one) for one in self.judgements]

    def decision(self, judgement: Judgement) -> Decision:
        """Return a limit on the check with the finding that it met."""
        return Decision(judgement, self.outcome, self._findings.get(judgement.finding))

    def on(self, finding: Finding) -> list[Judgement]:
        """Return the limits that met one finding and were not waived."""
        return self._judged.get(finding.id, [])

    def marks_on(self, finding: Finding) -> list[Mark]:
        """Return what every limit said about one finding, waived ones included."""
        return self._marks.get(finding.id, [])

    @cached_property
    def _findings(self) -> dict[str, Finding]:
        return {one.id: one for one in self.outcome.findings}

    @cached_property
    def _judged(self) -> dict[str, list[Judgement]]:
        found: dict[str, list[Judgement]] = {}
        for one in self.judgements:
            found.setdefault(one.finding, []).append(one)
        return found

    @cached_property
    def _marks(self) -> dict[str, list[Mark]]:
        found: dict[str, list[Mark]] = {}

        def note(standing: Standing, one: Judgement) -> None:
            mark = Mark(standing, one.limit, self.decision(one).limit)
            found.setdefault(one.finding, []).append(mark)

        for one in self.judgements:
            note(one.status, one)
        for one in self.waived:
            note("waived", one.judgement)
        return found


@dataclass(frozen=True)
class Chapter:
    """One family; its most pressing check comes first."""

    family: Family
    readings: Sequence[Reading]

    @property
    def first(self) -> Reading:
        """The check that presses most."""
        return self.readings[0]

    @property
    def counts(self) -> list[tuple[Standing, int]]:
        """How many checks stand how."""
        standings = [reading.standing for reading in self.readings]
        return [(one, standings.count(one)) for one in ORDER if one in standings]


@dataclass(frozen=True)
class Insight:
    """A finding worth reading first, and the limit that it met where there was one."""

    reading: Reading
    finding: Finding
    judgement: Judgement | None


def judgements(result: Result) -> list[Judgement]:
    """Return every limit that was held against a finding and not waived, the failed ones first.

    A judgement that is listed twice is returned once.
    """
    rank: dict[LimitStatus, int] = {"fail": 0, "incomplete": 1, "pass": 2}
    unique = dict.fromkeys([*result.verdict.decided_by, *result.verdict.passed])
    return sorted(unique, key=lambda one: rank[one.status])


def decisions(result: Result) -> list[Decision]:
    """Return what decided the verdict, in its own order; a pass was decided by all limits met."""
    outcomes = {one.check: one for one in result.outcomes}
    findings = {finding.id: finding for one in result.outcomes for finding in one.findings}
    return [
        Decision(one, outcomes.get(check_of(one.finding)), findings.get(one.finding))
        for one in result.verdict.decided_by or result.verdict.passed
    ]


def check_of(finding_id: str) -> str:
    """Return the check that a finding id, or the bare id of a check, belongs to."""
    return unquote(finding_id.split("/", maxsplit=1)[0])


def readings(result: Result) -> list[Reading]:
    """Return every check with its standing, in the order of the result."""
    judged: dict[str, list[Judgement]] = {}
    waived: dict[str, list[Waived]] = {}
    for one in judgements(result):
        judged.setdefault(check_of(one.finding), []).append(one)
    for one in result.verdict.waived:
        waived.setdefault(check_of(one.judgement.finding), []).append(one)
    return [
        Reading(
            outcome,
            _standing(outcome, judged.get(outcome.check, []), waived.get(outcome.check, [])),
            judged.get(outcome.check, []),
            waived.get(outcome.check, []),
            [one for one in result.verdict.ratings if one.check == outcome.check],
        )
        for outcome in result.outcomes
    ]


def _standing(outcome: Outcome, judged: list[Judgement], waived: list[Waived]) -> Standing:
    statuses = {one.status for one in judged}
    if "fail" in statuses:
        return "fail"
    if "incomplete" in statuses:
        return "incomplete"
    if outcome.status != "measured":
        return outcome.status
    if waived:
        return "waived"
    return "pass" if statuses else "unjudged"


def chapters(result: Result) -> list[Chapter]:
    """Return the families, failed first, then incomplete, passed and unjudged; checks alike.

    Of those that nothing judged, what is surely wrong most often comes first.
    """
    everything = readings(result)
    found = [
        Chapter(family, sorted(members, key=_place))
        for family in FAMILIES
        if (members := [one for one in everything if one.outcome.family == family])
    ]
    return sorted(found, key=lambda chapter: _rank(chapter.first))


def _place(reading: Reading) -> tuple[int, float]:
    return _rank(reading), -_surely_wrong(reading) if reading.standing == "unjudged" else 0.0


def _rank(reading: Reading) -> int:
    return ORDER.index(reading.standing)


def untested(result: Result) -> list[Reading]:
    """Return the checks that gave no findings: errored, skipped, not applicable, in this order."""
    missing = [one for one in readings(result) if one.outcome.status != "measured"]
    order = ("errored", "skipped", "not_applicable")
    return sorted(missing, key=lambda one: order.index(one.outcome.status))


def matters_most(result: Result, *, at_most: int = 3) -> list[Insight]:
    """Return the findings to read first, at most one per check.

    There is no score behind it. Failed limits come first, then open ones. Then come the headlines
    that say how often the model goes wrong (shares, of every family but attribution), by what is
    *surely* wrong: how far the end of the interval that is kinder to the model lies from the ideal.
    At most two of these are of one family, so that one weakness, met by several checks, does not
    hide the others. What is merely not proved (`PROOFS`), what is about explanations, and what is
    surely nothing fills places that are left.
    """
    everything = sorted(readings(result), key=_rank)
    pressing = [one for one in everything if one.standing in ("fail", "incomplete")]
    others = sorted(
        (one for one in everything if one not in pressing), key=_surely_wrong, reverse=True
    )
    bad = _few_per_family([one for one in others if _surely_wrong(one) > 0])
    rest = sorted((one for one in others if one not in bad), key=_is_aside)
    insights = [_insight(one) for one in [*pressing, *bad, *rest]]
    return [one for one in insights if one is not None][:at_most]


PROOFS = ("certified_accuracy",)  # lower bounds: what is not proved need not be wrong
MOST_OF_A_FAMILY = 2  # places in what matters most, beside failed and open limits


def _few_per_family(found: Sequence[Reading]) -> list[Reading]:
    kept: list[Reading] = []
    for one in found:
        same = [other for other in kept if other.outcome.family == one.outcome.family]
        if len(same) < MOST_OF_A_FAMILY:
            kept.append(one)
    return kept


def _is_aside(reading: Reading) -> bool:
    finding = reading.headline
    proof = finding is not None and finding.metric in PROOFS
    return proof or reading.outcome.family in ASIDE


ASIDE: tuple[Family, ...] = ("attribution", "efficiency")  # not about wrong answers


def _insight(reading: Reading) -> Insight | None:
    finding = _news(reading)
    if finding is None or (finding.value is None and not reading.on(finding)):
        return None
    limits = [one for one in reading.on(finding) if one.status == reading.standing]
    return Insight(reading, finding, limits[0] if limits else None)


def _news(reading: Reading) -> Finding | None:
    """Return what to tell of a check: where its limits are met, its own headline, not theirs."""
    if reading.standing == "pass":
        own = [one for one in reading.outcome.findings if one.id == reading.outcome.headline]
        return own[0] if own else reading.headline
    return reading.headline


def _surely_wrong(reading: Reading) -> float:
    """Return the distance of a share from its ideal that the interval leaves no doubt about.

    Zero where the headline is no share, or says nothing about wrong answers.
    """
    finding = _news(reading)
    if finding is None or finding.value is None or not words.is_share(finding.unit):
        return 0.0
    if _is_aside(reading) or finding.interval == "null-band":
        return 0.0
    high = finding.value if finding.high is None else finding.high
    low = finding.value if finding.low is None else finding.low
    return {"higher": 1 - high, "lower": low, "neither": 0.0}[finding.better]

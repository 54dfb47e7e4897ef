"""What keeps a verdict from being a pass, as places and sentences that CI servers can show.

SARIF, GitLab and GitHub all list the same problems, so that none of them can say less than the
exit code. A verdict that is neither a pass nor "nothing judged" always leaves at least one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from auditkit.findings import Finding, Outcome
from auditkit.render import outline, words
from auditkit.result import Judgement, Result, to_json

WHOLE = "audit"  # the rule of what concerns no single check


@dataclass(frozen=True, kw_only=True)
class Place:
    """A line of a file, counted from 1; the file as a path that was typed."""

    file: str
    line: int


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A limit that failed or is incomplete, with the words to show it by.

    Parameters
    ----------
    judgement : Judgement
        What the limit said.
    check : str
        The check that it is about, `audit` where it is about none.
    place : Place
        The line of the policy that set the limit, or of `result.json`.
    in_policy : bool
        Whether the place is a line of a policy file.
    title, message : str
        A few words; sentences with the finding, its interval and n, the limit and why.
    replay : str
        The command that shows it again; empty where there is none.
    fingerprint : str
        Sixteen digits that stay the same when lines move and numbers change.
    """

    judgement: Judgement
    check: str
    place: Place
    in_policy: bool
    title: str
    message: str
    replay: str
    fingerprint: str


def problems(result: Result) -> list[Problem]:
    """Return what is not passed and not waived, fails first."""
    bad = [one for one in outline.judgements(result) if one.status != "pass"]
    if not bad and result.verdict.status in ("fail", "incomplete"):
        bad = [_of_verdict(result)]
    outcomes = {one.check: one for one in result.outcomes}
    findings = {finding.id: finding for one in result.outcomes for finding in one.findings}
    places = [_typed(one.place) for one in bad]
    lines = _Lines(result) if None in places else None
    found: list[Problem] = []
    for one, typed in zip(bad, places, strict=True):
        check = WHOLE if one.finding == "*" else outline.check_of(one.finding)
        outcome, finding = outcomes.get(check), findings.get(one.finding)
        place = typed
        if place is None:
            assert lines is not None
            place = Place(file=lines.file, line=lines.of(one.finding))
        found.append(
            Problem(
                judgement=one,
                check=words.line(check),
                place=place,
                in_policy=typed is not None,
                title=f"{words.VERDICTS[one.status]}: {_about(one, outcome, finding)}",
                message=_message(one, outcome, finding),
                replay="" if finding is None else words.reproduction(result, finding.id),
                fingerprint=_fingerprint(result, one),
            )
        )
    return found


def _of_verdict(result: Result) -> Judgement:
    """Return the verdict itself as a judgement, where nothing else says why."""
    status = "fail" if result.verdict.status == "fail" else "incomplete"
    return Judgement(
        limit="the whole audit", finding="*", status=status, reason=result.verdict.sentence
    )


def _about(one: Judgement, outcome: Outcome | None, finding: Finding | None) -> str:
    if outcome is not None and finding is not None:
        return words.subject(outcome, finding)
    return "the whole audit" if one.finding == "*" else words.line(one.finding)


def _message(one: Judgement, outcome: Outcome | None, finding: Finding | None) -> str:
    said = f"Limit {words.line(one.limit)}: {words.reason_of(one)}"
    if outcome is None or finding is None:
        return f"{said}."
    return f"{words.statement(outcome, finding)} {said}."


def _typed(place: str | None) -> Place | None:
    """Return the place of `audit.toml:12`."""
    if place is None:
        return None
    file, _, line = place.rpartition(":")
    return Place(file=words.line(file), line=int(line)) if file and line.isdigit() else None


def _fingerprint(result: Result, one: Judgement) -> str:
    parts = (result.model.name, result.data.name, one.finding, one.limit)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


class _Lines:
    """Where findings stand in `result.json`."""

    def __init__(self, result: Result) -> None:
        folder = words.folder_of(result)
        self.file = folder if folder.endswith(".json") else str(PurePath(folder) / "result.json")
        self._lines: dict[str, int] = {}
        for number, line in enumerate(to_json(result).splitlines(), start=1):
            key, _, text = line.strip().removesuffix(",").partition(": ")
            if key in ('"id"', '"check"'):
                self._lines.setdefault(text, number)

    def of(self, finding: str) -> int:
        """Return the line of a finding or a check, the first line where there is none."""
        return self._lines.get(json.dumps(finding, ensure_ascii=False), 1)


def first(found: Sequence[Problem], at_most: int) -> tuple[Sequence[Problem], int]:
    """Return the first problems, and how many are left out."""
    shown = found[:at_most]
    return shown, len(found) - len(shown)

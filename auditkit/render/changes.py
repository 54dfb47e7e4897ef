"""What changed since an older result: the same findings side by side, where they compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from auditkit.findings import Finding
from auditkit.render import words
from auditkit.result import Result


@dataclass(frozen=True)
class Changes:
    """A comparison with an older result.

    Parameters
    ----------
    about : str
        What was compared with what, or why nothing was, as a sentence.
    by_finding : mapping
        By the finding's id, how it changed, in words.
    """

    about: str
    by_finding: Mapping[str, str] = field(default_factory=dict[str, str])


def changes(result: Result, older: Result) -> Changes:
    """Return how each finding changed that both results have.

    Nothing is compared where the data differ, and no check whose version does: its numbers mean
    something else. Both are estimates, so what is said is no test; where their intervals overlap,
    that is said.
    """
    name = words.line(older.model.name)
    if older.data.sha256 != result.data.sha256:
        return Changes(
            f"Not compared with {name}: that audit used other data"
            f" ({words.short(older.data.sha256, 12)}, here {words.short(result.data.sha256, 12)})."
        )
    versions = {one.check: one.version for one in older.outcomes}
    before = {one.id: one for outcome in older.outcomes for one in outcome.findings}
    found = {
        one.id: said
        for outcome in result.outcomes
        if versions.get(outcome.check) == outcome.version
        for one in outcome.findings
        if one.id in before and (said := _change(before[one.id], one))
    }
    sizes = (older.data.n, result.data.n)
    sample = f" ({sizes[0]:,} inputs then, {sizes[1]:,} now)" if sizes[0] != sizes[1] else ""
    others = [
        one.check
        for one in result.outcomes
        if versions.get(one.check, one.version) != one.version and one.findings
    ]
    beside = f" Not compared, since the check is another version: {', '.join(others)}."
    return Changes(
        f"Changes are against the audit of {name} of {words.line(older.provenance.started)}, on the"
        f" same data{sample}: two estimates side by side, no test.{beside if others else ''}",
        found,
    )


def _change(before: Finding, after: Finding) -> str:
    """Return a difference with its direction, empty where one of the values is undefined."""
    if before.value is None or after.value is None or before.unit != after.unit:
        return ""
    gain = after.value - before.value
    if gain == 0:
        return "unchanged"
    size = words.number(gain, words.unit_of_difference(after.unit))
    signed = f"+{size}" if gain > 0 else size
    return ", ".join(
        one for one in (signed, _direction(gain, after), _overlap(before, after)) if one
    )


def _direction(gain: float, finding: Finding) -> str:
    if finding.better == "neither":
        return ""
    return "better" if (gain > 0) == (finding.better == "higher") else "worse"


def _overlap(before: Finding, after: Finding) -> str:
    if before.low is None or before.high is None or after.low is None or after.high is None:
        return ""
    apart = before.high < after.low or after.high < before.low
    return "intervals apart" if apart else "intervals overlap"

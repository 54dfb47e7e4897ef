"""A comparison of two results in words, shared by its renderers."""

from __future__ import annotations

from collections.abc import Sequence

from auditkit.diff.report import Change, Diff, DiffStatus, Direction, FlipGroup, Move
from auditkit.percent import plain_percent
from auditkit.render import words
from auditkit.types import FAMILIES, Family

STATUSES: dict[DiffStatus, str] = {
    "no_regression": "No regression",
    "regression": "Regression",
    "incomplete": "Incomplete",
}
CLASSES: dict[DiffStatus, str] = {
    "no_regression": "pass",
    "regression": "fail",
    "incomplete": "incomplete",
}
MOVES: dict[Move, str] = {
    "new": "New failure",
    "persisting": "Still fails",
    "opened": "No longer decided",
    "fixed": "Fixed",
    "closed": "Failed before, undecided now",
}
MOVE_CLASSES: dict[Move, str] = {
    "new": "fail",
    "persisting": "fail",
    "opened": "incomplete",
    "fixed": "pass",
    "closed": "incomplete",
}
DIRECTIONS: dict[Direction, str] = {
    "worse": "worse",
    "better": "better",
    "unclear": "no clear change",
    "other": "changed",
    "same": "the same",
}
METHODS = {
    "newcombe-paired": "Newcombe's interval of a paired difference of shares",
    "bootstrap-paired": "percentile bootstrap of the mean difference per input",
    "newcombe": "Newcombe's interval for independent samples",
    "square-and-add": "both findings' own intervals, squared and added, as for independent samples",
    "exact": "counted, not estimated",
}


def judged(diff: Diff) -> list[Change]:
    """Return what was judged, the regressed first, then what could not be compared."""
    order = ("regressed", "open", "held")
    found = [one for one in diff.changes if one.standing is not None]
    return sorted(found, key=lambda one: order.index(one.standing or "held"))


def standing(change: Change) -> tuple[str, str]:
    """Return what came of a judged change: the class of its badge, and the word on it."""
    if change.standing == "regressed":
        return "fail", "Worse"
    if change.standing == "open":
        return "incomplete", "Not compared"
    if change.direction == "better":
        return "pass", "Better"
    if within(change):
        return "pass", "The same" if change.direction == "same" else "Not worse"
    return ("waived", "Perhaps worse") if change.direction == "worse" else ("", "No clear change")


def because(change: Change) -> str:
    """Return why a judged change has its standing, where the interval alone does not say it."""
    if change.standing == "open":
        return words.line(change.why)
    if change.standing == "held" and change.direction == "worse":
        allowed = words.number(change.tolerance, words.unit_of_difference(change.unit))
        if within(change):
            return f"by no more than the {allowed} that is tolerated"
        beyond = f" by more than {allowed}" if change.tolerance else ""
        return f"worse on its own, but not surely{beyond} among all that is judged"
    return words.line(change.why)


def within(change: Change) -> bool:
    """Say whether the whole interval of a drop lies within what is tolerated."""
    if change.low is None or change.high is None:
        return False
    most = change.high if change.better == "lower" else -change.low
    return most <= change.tolerance


def signed(value: float, unit: str) -> str:
    """Return a difference with its sign; those of shares are in percentage points.

    Examples
    --------
    >>> signed(0.025, "share"), signed(-1.5, "nats"), signed(0.0, "share")
    ('+2.5 points', '-1.50 nats', '0 points')
    """
    text = words.number(value, words.unit_of_difference(unit))
    return f"+{text}" if value > 0 else text


def span(change: Change) -> str:
    """Return the interval of a difference with its unit; empty where there is none."""
    if change.low is None or change.high is None:
        return ""
    return signed_range(change.low, change.high, change.unit)


def signed_range(low: float, high: float, unit: str) -> str:
    """Return a range of differences with their signs, and its unit said once.

    Examples
    --------
    >>> signed_range(-0.01, 0.025, "share")
    '-1.0 to +2.5 points'
    """
    return f"{'+' if low > 0 else ''}{words.bare(low, unit)} to {signed(high, unit)}"


def value(number: float | None, unit: str) -> str:
    """Return one of the two values."""
    return "undefined" if number is None else words.number(number, unit)


def how(change: Change) -> str:
    """Return how a difference was measured, in a few words."""
    if change.difference is None:
        return ""
    if change.paired:
        return f"paired, n = {change.n:,}"
    counts = {change.n_before, change.n_after}
    said = " and ".join(f"{one:,}" for one in sorted(counts))
    return f"unpaired, n = {said}"


def statement(change: Change) -> str:
    """Return a change as a sentence."""
    text = f"{change.about}: {value(change.before, change.unit)} before,"
    text += f" {value(change.after, change.unit)} now"
    if change.difference is None:
        return f"{text}; {words.line(change.why)}"
    text += f", {signed(change.difference, change.unit)}"
    if interval := span(change):
        text += f" ({plain_percent(change.level)} interval {interval}; {how(change)})"
    return text


def families(diff: Diff) -> list[tuple[Family, list[Change]]]:
    """Return all changes by family; within one the checks in their order, the worse ones first."""
    order = ("worse", "better", "other", "unclear", "same")
    found: list[tuple[Family, list[Change]]] = []
    for family in FAMILIES:
        mine = [one for one in diff.changes if one.family == family]
        checks = list(dict.fromkeys(one.check for one in mine))
        mine.sort(key=lambda one: (checks.index(one.check), order.index(one.direction)))
        if mine:
            found.append((family, mine))
    return found


def counts(changes: Sequence[Change]) -> str:
    """Return how many findings went which way, each by its own interval."""
    directions = [one.direction for one in changes]
    said = [
        f"{n} {DIRECTIONS[one]}"
        for one in ("worse", "better", "other")
        if (n := directions.count(one))
    ]
    return ", ".join([*said, f"{len(changes)} in all"])


def group_name(group: FlipGroup) -> str:
    """Return what a group of flips is called."""
    return words.line(f"{group.column}={group.group}")


def pressing_groups(diff: Diff, at_most: int) -> list[FlipGroup]:
    """Return the groups that lost most, those that surely changed first."""
    if diff.flips is None:
        return []
    known = [one for one in diff.flips.groups if one.lost or one.gained]

    def rank(one: FlipGroup) -> tuple[float, float]:
        return (1.0 if one.p_holm is None else one.p_holm, one.after - one.before)

    return sorted(known, key=rank)[:at_most]


def rules(diff: Diff) -> list[str]:
    """Return how it was judged, as sentences."""
    tail = (1 - diff.level) / 2
    allowed = words.number(diff.tolerance, words.DIFFERENCE) if diff.tolerance else "nothing"
    return [
        "Judged are the findings that a limit of the policy names and the one that stands for each"
        " check. A finding has become worse where the whole interval of its difference lies beyond"
        f" what is tolerated ({allowed} for shares; nothing in other units; a limit's"
        " max_drop_against instead where there is one), and Holm's correction over everything"
        f" judged still says so: the chance of any false alarm is at most {tail:.3g}.",
        "Findings that are not judged carry their own interval alone: among many, some are worse"
        " or better by chance.",
        "Paired differences hold each input against itself. Where the records do not give a"
        " finding back input by input, the interval is that of independent samples, which is as a"
        " rule wider than needed.",
    ]

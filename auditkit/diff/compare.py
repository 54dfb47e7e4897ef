"""Two results to what changed between them, and whether it got worse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

import auditkit
from auditkit.diff.differences import difference, direction_of
from auditkit.diff.flips import flips_of
from auditkit.diff.report import EXIT_CODES, Change, Diff, DiffStatus, Move, Moved, Side
from auditkit.diff.sides import Loaded, load
from auditkit.errors import ResultError
from auditkit.findings import Finding, Outcome
from auditkit.policy import Limit, Policy
from auditkit.render import words
from auditkit.result import DataFacts, Judgement, ModelFacts, Result
from auditkit.statistics import holm
from auditkit.types import Params
from auditkit.verdict import verdict_on
from auditkit.weighing import Weighed, weigh_drop

_MOVES: dict[tuple[bool, bool], Move] = {
    (False, True): "new",
    (True, True): "persisting",
    (True, False): "fixed",
}


def compare(
    before: str | Path,
    after: str | Path,
    *,
    policy: Policy,
    today: date,
    tolerance: float = 0.0,
    allow_different_data: bool = False,
) -> Diff:
    """Return what changed from one result to another.

    Judged are the findings that a limit of the policy names and the one that stands for each
    check. One has regressed where the whole interval of its difference is worse than the tolerance
    and Holm's correction over all judged still says so.

    Parameters
    ----------
    before, after : str or Path
        Result folders, or their `result.json`.
    policy : Policy
        Its limits say which findings failed before and fail now; a limit's `max_drop_against` is
        the tolerance of the findings it names. Its level and minimum n hold for everything.
    today : date
        Waivers that expired before this day do not hold.
    tolerance : float
        How much worse a share may become; findings in other units may not become worse.
    allow_different_data : bool
        Compare also where the data differ, as independent samples.

    Raises
    ------
    ResultError
        If a result cannot be read, or the two are about other data, classes or kinds of inputs.
    """
    sides = load(before), load(after)
    old, new = (one.result for one in sides)
    same_data = require_comparable(
        old, new.model, new.data, allow_different_data=allow_different_data
    )
    same_inputs = same_data and _same_inputs(*sides)
    comparison = _Comparison(*sides, policy, tolerance, same_inputs)
    changes = comparison.judged()
    moves = _moves(*sides, changes, policy, today)
    flips = None
    why_no_flips = _why_not_paired(*sides, same_data=same_data, same_inputs=same_inputs)
    if same_inputs:
        flips = flips_of(
            *sides,
            minimum_n=policy.minimum_n,
            level=policy.level,
            checks=comparison.shared,
        )
        why_no_flips = "" if flips else "No check of both results notes which answers are right."
    status, sentence = _verdict(changes, *sides)
    known, found = sides[0].findings, sides[1].findings
    return Diff(
        auditkit=auditkit.__version__,
        before=_side(old),
        after=_side(new),
        status=status,
        exit_code=EXIT_CODES[status],
        sentence=sentence,
        tolerance=tolerance,
        level=policy.level,
        changes=changes,
        moves=moves,
        refused=comparison.refused,
        only_before=[one for one in known if one not in found and not comparison.refuses(one)],
        only_after=[one for one in found if one not in known and not comparison.refuses(one)],
        flips=flips,
        why_no_flips=why_no_flips,
        notes=_notes(*sides, same_data=same_data),
    )


def changes_against(result: Loaded, reference: Loaded, *, policy: Policy) -> dict[str, Change]:
    """Return every finding of a result beside that of a reference, for limits on drops.

    Raises
    ------
    ResultError
        If the two are about other data, classes or kinds of inputs.
    """
    sides = reference, result
    require_comparable(reference.result, result.result.model, result.result.data)
    comparison = _Comparison(*sides, policy, 0.0, _same_inputs(*sides))
    return {one.finding: one for one in comparison.changes()}


# --- may they be compared ------------------------------------------------------------------------


def require_comparable(
    old: Result, model: ModelFacts, data: DataFacts, *, allow_different_data: bool = False
) -> bool:
    """Return whether an earlier result is about the same data as what is compared with it.

    Raises
    ------
    ResultError
        If the data differ and may not, or the classes or kinds of inputs do.
    """
    for what, first, second in (
        ("kind of inputs", old.model.modality, model.modality),
        ("classes", ", ".join(old.model.classes), ", ".join(model.classes)),
    ):
        if first != second:
            raise ResultError(
                f"The two results cannot be compared: their {what} differ: {words.short(first, 80)}"
                f" before, {words.short(second, 80)} after."
            )
    same = old.data.sha256 == data.sha256
    if not same and not allow_different_data:
        raise ResultError(
            f"The two results are about different data: {_data(old.data)} before,"
            f" {_data(data)} after.",
            hint="Audit both models on the same inputs (same --data, --max-inputs and --seed), or"
            " compare them as independent samples: audit diff --allow-different-data",
        )
    return same


def _data(data: DataFacts) -> str:
    return f"{data.name} {data.split}, {data.n:,} inputs, SHA-256 {data.sha256[:12]}"


def _same_inputs(before: Loaded, after: Loaded) -> bool:
    if not before.columns or not after.columns:
        return False
    return np.array_equal(np.sort(before.ids), np.sort(after.ids))


def _why_not_paired(before: Loaded, after: Loaded, *, same_data: bool, same_inputs: bool) -> str:
    if same_inputs:
        return ""
    if not same_data:
        return "The data differ, so no input can be followed from one result to the other."
    missing = [one for one in (before.missing, after.missing) if one]
    if missing:
        return " ".join(dict.fromkeys(missing))
    both = len(np.intersect1d(before.ids, after.ids))
    return (
        f"The results are about {words.count(len(before.ids), 'input')} before and"
        f" {len(after.ids):,} now, {both:,} of them in both: audit both with the same --max-inputs"
        " and --seed to compare input by input."
    )


# --- findings ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Comparison:
    """Both sides with the settings that every finding is compared under."""

    before: Loaded
    after: Loaded
    policy: Policy
    tolerance: float
    same_inputs: bool

    @property
    def shared(self) -> list[str]:
        """Checks that gave numbers in both, in one version."""
        return [
            name
            for name, new in self.after.outcomes.items()
            if new.status == "measured"
            and (old := self.before.outcomes.get(name)) is not None
            and old.status == "measured"
            and old.version == new.version
        ]

    @property
    def refused(self) -> list[str]:
        """Say which checks are not compared, and why; those of one reason together."""
        reasons: dict[str, list[str]] = {}
        for name in dict.fromkeys([*self.before.outcomes, *self.after.outcomes]):
            if why := self._why_refused(name):
                reasons.setdefault(why, []).append(name)
        return [f"{', '.join(names)}: {why}" for why, names in reasons.items()]

    def refuses(self, finding: str) -> bool:
        """Say whether a finding belongs to a check that is not compared."""
        check = finding.split("/", 1)[0]
        return check not in self.shared

    def _why_refused(self, name: str) -> str:
        old, new = self.before.outcomes.get(name), self.after.outcomes.get(name)
        if old is None or new is None:
            known = old or new
            if known is None or known.status != "measured":
                return ""
            return (
                f"did not run {'in the earlier result' if old is None else 'in the later result'}"
            )
        if old.version != new.version and old.status == new.status == "measured":
            return (
                f"measures differently since: version {old.version} before, {new.version} after;"
                " run it again for both with one auditkit"
            )
        if old.status == new.status != "measured":
            return ""  # nothing to compare on either side
        for when, one in (("before", old), ("after", new)):
            if one.status != "measured":
                said = words.short(one.reason or "no reason was recorded", 200)
                return f"{one.status.replace('_', ' ')} {when}: {said}"
        return ""

    def changes(self) -> Iterator[Change]:
        """Yield every finding that both have, in the order of the later result."""
        for name in self.shared:
            old, new = self.before.outcomes[name], self.after.outcomes[name]
            known = {one.id: one for one in old.findings}
            for finding in new.findings:
                if finding.id in known:
                    yield self._change(new, known[finding.id], finding)

    def _change(self, outcome: Outcome, old: Finding, new: Finding) -> Change:
        metric = words.metric_of(outcome, new)
        plain = Change(
            finding=new.id,
            check=outcome.check,
            family=outcome.family,
            about=words.subject(outcome, new),
            metric=words.sentence_case(words.line(metric.label)),
            unit=new.unit,
            better=new.better,
            before=old.value,
            after=new.value,
            n_before=old.n,
            n_after=new.n,
            level=self.policy.level,
            headline=new.id in (outcome.headline, self.before.outcomes[outcome.check].headline),
        )
        if why := _why_not(old, new):
            return plain.model_copy(update={"why": why})
        found = difference(
            self.before,
            self.after,
            outcome.check,
            (old, new),
            level=self.policy.level,
            same_inputs=self.same_inputs,
        )
        return plain.model_copy(
            update={
                "difference": found.value,
                "low": None if found.interval is None else found.interval.low,
                "high": None if found.interval is None else found.interval.high,
                "interval": found.method,
                "paired": found.paired,
                "n": found.n,
                "direction": direction_of(found.value, found.interval, new.better),
                "why": found.why,
            }
        )

    def judged(self) -> list[Change]:
        """Return every change, those that are judged with what came of it."""
        changes = list(self.changes())
        held = {one.finding: self._held(one) for one in changes}
        tested = [name for name, one in held.items() if one is not None and one.p is not None]
        p_values = [p for name in tested if (one := held[name]) and (p := one.p) is not None]
        surely = dict(zip(tested, holm(p_values, alpha=(1 - self.policy.level) / 2), strict=True))
        found: list[Change] = []
        for one in changes:
            weighed = held[one.finding]
            if weighed is None:
                found.append(one)
                continue
            fails = weighed.judgement.status == "fail" and surely.get(one.finding, True)
            undecided = weighed.judgement.status == "incomplete" and weighed.p is None
            standing = "regressed" if fails else "open" if undecided else "held"
            why = one.why or (weighed.judgement.reason if undecided else "")
            update = {"standing": standing, "tolerance": self._tolerance(one), "why": why}
            found.append(one.model_copy(update=update))
        return found

    def _held(self, change: Change) -> Weighed | None:
        """Hold a change against its tolerance; None where it is not judged."""
        named = any(fnmatchcase(change.finding, one.finding) for one in self._limits)
        if change.better == "neither" or not (named or change.headline):
            return None
        finding = self.after.findings[change.finding]
        if change.before is None:
            return None  # there was nothing to lose
        if not named and change.difference is not None and change.low is None:
            return None  # a number that never has an interval decides nothing unasked
        limit = Limit(finding=change.finding, max_drop_against=self._tolerance(change))
        return weigh_drop(limit, finding, change, self.policy)

    def _tolerance(self, change: Change) -> float:
        own = [
            one.max_drop_against
            for one in self._limits
            if one.max_drop_against is not None and fnmatchcase(change.finding, one.finding)
        ]
        if own:
            return min(own)
        return self.tolerance if words.is_share(change.unit) else 0.0

    @property
    def _limits(self) -> Sequence[Limit]:
        after = self.after.result
        return [
            one
            for one in self.policy.limits
            if one.is_about(after.model.modality, sensitive=after.data.sensitive)
        ]


def _why_not(old: Finding, new: Finding) -> str:
    """Return why two findings of one id are not the same measurement; empty where they are."""
    if old.value is None or new.value is None:
        both = (("before", old), ("after", new))
        return "; ".join(
            f"undefined {when}: {one.undefined}" for when, one in both if one.undefined
        )
    if old.unit != new.unit:
        return f"the unit differs: {old.unit} before, {new.unit} after"
    if changed := _changed(old.params, new.params):
        return f"the settings differ: {changed}"
    return ""


def _changed(old: Params, new: Params) -> str:
    names = dict.fromkeys([*old, *new])
    return ", ".join(
        f"{words.line(name)} {words.scalar(old.get(name), name)} before,"
        f" {words.scalar(new.get(name), name)} after"
        for name in names
        if old.get(name) != new.get(name)
    )


# --- limits --------------------------------------------------------------------------------------


def _moves(
    before: Loaded, after: Loaded, changes: Sequence[Change], policy: Policy, today: date
) -> list[Moved]:
    """Return what became of every limit that failed before or fails now."""
    absolute = policy.model_copy(
        update={"limits": tuple(one for one in policy.limits if one.max_drop_against is None)}
    )
    old, new = (_judgements(one.result, absolute, today) for one in (before, after))
    about = {one.finding: one.about for one in changes}
    units = {one.finding: one.unit for one in changes}
    moves: list[Moved] = []
    for key in dict.fromkeys([*new, *old]):
        was, now = old.get(key), new.get(key)
        statuses = (was.status if was else "absent", now.status if now else "absent")
        move = _move(*statuses)
        if move is not None:
            said = now or was
            assert said is not None
            moves.append(
                Moved(
                    limit=words.limit(said, units.get(said.finding, "")),
                    finding=said.finding,
                    about=about.get(said.finding, words.line(said.finding)),
                    before=statuses[0],
                    after=statuses[1],
                    move=move,
                    reason=words.reason_of(said),
                )
            )
    order: tuple[Move, ...] = ("new", "persisting", "opened", "fixed", "closed")
    return sorted(moves, key=lambda one: order.index(one.move))


def _move(before: str, after: str) -> Move | None:
    if after == "fail":
        return "persisting" if before == "fail" else "new"
    if before == "fail":
        return "fixed" if after == "pass" else "closed"
    return "opened" if before == "pass" and after == "incomplete" else None


def _judgements(result: Result, policy: Policy, today: date) -> Mapping[tuple[str, str], Judgement]:
    verdict = verdict_on(result, policy, today=today)
    return {(one.limit, one.finding): one for one in [*verdict.decided_by, *verdict.passed]}


# --- words ---------------------------------------------------------------------------------------


def _verdict(changes: Sequence[Change], before: Loaded, after: Loaded) -> tuple[DiffStatus, str]:
    judged = [one for one in changes if one.standing is not None]
    worse = [one for one in judged if one.standing == "regressed"]
    open_ = [one for one in judged if one.standing == "open"]
    n = words.count(len(judged), "judged finding")
    if worse:
        verb = "is" if len(worse) == 1 else "are"
        return "regression", f"{len(worse)} of {n} {verb} surely worse than before."
    if not judged:
        return "incomplete", "Nothing could be compared: no finding that is judged is in both."
    missing = [one for one in before.outcomes if _lost(before, after, one)]
    if missing:
        return "incomplete", (
            f"What was measured before is missing or measured otherwise now: {', '.join(missing)}."
            f" Of {n}, none is surely worse."
        )
    if open_:
        return "incomplete", f"{len(open_)} of {n} cannot be compared; no other is surely worse."
    if after.result.provenance.partial or before.result.provenance.partial:
        return "incomplete", f"One of the audits was interrupted; of {n}, none is surely worse."
    return "no_regression", f"Of {n}, none is surely worse than before."


def _lost(before: Loaded, after: Loaded, check: str) -> bool:
    """Say whether a check that gave numbers before gives none now, or others."""
    old, new = before.outcomes[check], after.outcomes.get(check)
    if old.status != "measured":
        return False
    return new is None or new.status != "measured" or new.version != old.version


def _notes(before: Loaded, after: Loaded, *, same_data: bool) -> list[str]:
    notes: list[str] = []
    old, new = before.result, after.result
    if not same_data:
        notes.append(
            f"The data differ: {_data(old.data)} before, {_data(new.data)} after. Every difference"
            " is that of independent samples."
        )
    if old.model.sha256 == new.model.sha256 and old.model.sha256:
        notes.append("Both results are about the same model file.")
    if old.provenance.seed != new.provenance.seed:
        notes.append(
            f"The seeds differ ({old.provenance.seed} before, {new.provenance.seed} after), so what"
            " is random in a check differs too."
        )
    if old.auditkit != new.auditkit:
        notes.append(f"Written by auditkit {old.auditkit} before, {new.auditkit} after.")
    return notes


def _side(result: Result) -> Side:
    return Side(
        model=result.model.name,
        model_sha256=result.model.sha256,
        data=result.data.name,
        split=result.data.split,
        data_sha256=result.data.sha256,
        n=result.data.n,
        started=result.provenance.started,
        suite=result.provenance.suite,
        verdict=result.verdict.sentence,
    )

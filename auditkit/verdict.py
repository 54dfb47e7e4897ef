"""Findings and policy to pass, fail or incomplete; absence never passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from fnmatch import fnmatchcase
from typing import assert_never

from auditkit.diff.report import Change
from auditkit.errors import near_miss
from auditkit.findings import Finding, Outcome
from auditkit.looks import level_of_each
from auditkit.plurals import count
from auditkit.policy import Limit, Policy, Waiver
from auditkit.ratings import rated
from auditkit.result import Judgement, LimitStatus, Result, Verdict, VerdictStatus, Waived
from auditkit.statistics import holm, n_needed_for_share
from auditkit.types import Modality
from auditkit.weighing import Weighed, bound_of, in_words, judged, weigh, weigh_drop

EXIT_CODES: dict[VerdictStatus, int] = {"pass": 0, "not_judged": 0, "fail": 1, "incomplete": 3}


def judge(
    outcomes: Sequence[Outcome],
    policy: Policy,
    *,
    modality: Modality,
    sensitive: bool = True,
    today: date,
    interrupted: bool = False,
    changes: Mapping[str, Change] | None = None,
    looks: int = 1,
) -> Verdict:
    """Hold every limit against every finding it names.

    A limit meets the cautious end of the interval: it passes only if the whole interval is on the
    right side, fails only if the whole interval is on the wrong side *and* Holm's correction over
    all limits still calls it, and is incomplete otherwise. Fail beats incomplete beats pass. A
    failed or missing control turns pass into incomplete, never fail into incomplete.

    Parameters
    ----------
    outcomes : sequence of Outcome
        What every check came to.
    policy : Policy
        Limits, controls, required checks and waivers.
    modality : Modality
        Limits for other modalities are left out.
    sensitive : bool
        Whether a column of the data is called sensitive; else limits for such data are left out.
    today : date
        Waivers that expired before this day do not hold.
    interrupted : bool
        Whether checks are missing because the run was stopped; the verdict is then incomplete.
    changes : mapping, optional
        Findings beside those of a reference result, by id, for limits with `max_drop_against`;
        without it they are incomplete.
    looks : int
        How many looks at the limits were planned; each has its share of the error rates.
    """
    policy = policy.model_copy(update={"level": level_of_each(policy.level, looks)})
    words = rated(outcomes, policy)
    limits = [one for one in policy.limits if one.is_about(modality, sensitive=sensitive)]
    if not limits and not policy.required and not interrupted:
        notes = ["No limits are set: nothing was judged."]
        return _verdict("not_judged", [], [], [], notes).model_copy(update={"ratings": words})
    findings = {one.id: one for outcome in outcomes for one in outcome.findings}
    weighed = _with_holm(
        [one for limit in limits for one in _weigh(limit, outcomes, policy, changes)], policy
    )
    judgements = [_controlled(one, findings, policy).judgement for one in weighed]
    judgements += [
        missing.model_copy(update={"place": policy.required_at})
        for check in policy.required
        if (missing := _missing_check(check, outcomes)) is not None
    ]
    open_, waived, notes = _waive(judgements, policy.waivers, today)
    if interrupted:
        open_.append(
            Judgement(
                limit="the whole audit", finding="*", status="incomplete", reason="interrupted"
            )
        )
    status = _worst(open_)
    if interrupted:
        status = "incomplete"
    notes.append(_error_rates(policy, len(weighed), looks))
    if looks > 1:
        notes.append(_looks(outcomes, policy, looks))
    verdict = _verdict(status, open_, judgements, waived, notes)
    return verdict.model_copy(update={"ratings": words})


def verdict_on(
    result: Result,
    policy: Policy,
    *,
    today: date,
    changes: Mapping[str, Change] | None = None,
) -> Verdict:
    """Judge what a result holds, whatever its own verdict says; as `judge`."""
    return judge(
        result.outcomes,
        policy,
        modality=result.model.modality,
        sensitive=result.data.sensitive,
        today=today,
        interrupted=result.provenance.partial,
        changes=changes,
        looks=result.provenance.look_count,
    )


def _weigh(
    limit: Limit,
    outcomes: Sequence[Outcome],
    policy: Policy,
    changes: Mapping[str, Change] | None,
) -> list[Weighed]:
    matched = [
        one
        for outcome in outcomes
        for one in outcome.findings
        if fnmatchcase(one.id, limit.finding)
    ]
    if matched and limit.max_drop_against is not None:
        if changes is None:
            reason = "no reference result was given: --against REFERENCE"
            return [Weighed(judged(limit, one.id, "incomplete", reason)) for one in matched]
        return [weigh_drop(limit, one, changes.get(one.id), policy) for one in matched]
    if matched:
        return [weigh(limit, one, policy) for one in matched]
    reason = _why_nothing_matches(limit.finding, outcomes)
    return [Weighed(judged(limit, limit.finding, "incomplete", reason))]


def _with_holm(weighed: list[Weighed], policy: Policy) -> list[Weighed]:
    """Keep a fail only where it survives Holm's correction over all limits."""
    tested = [i for i, one in enumerate(weighed) if one.p is not None]
    p_values = [p for i in tested if (p := weighed[i].p) is not None]
    surely = dict(zip(tested, holm(p_values, alpha=(1 - policy.level) / 2), strict=True))
    adjusted: list[Weighed] = []
    for i, one in enumerate(weighed):
        if one.judgement.status == "fail" and not surely.get(i, True):
            adjusted.append(_doubtful(one, len(tested), policy))
        else:
            adjusted.append(one)
    return adjusted


def _doubtful(one: Weighed, limits: int, policy: Policy) -> Weighed:
    assert one.finding is not None
    assert one.finding.value is not None
    level = 1 - (1 - policy.level) / limits
    needs = None
    if one.finding.interval == "clopper-pearson":
        needs = n_needed_for_share(one.finding.value, one.bound, one.finding.n, level=level)
    reason = f"misses the limit on its own, but not surely among {limits} limits (Holm)"
    if needs:
        reason += f": needs about {needs:,} inputs"
    update = {"status": "incomplete", "reason": reason, "needs_n": needs}
    return replace(one, judgement=one.judgement.model_copy(update=update))


def _controlled(one: Weighed, findings: dict[str, Finding], policy: Policy) -> Weighed:
    """Turn a pass into incomplete where a control of the finding failed or is missing."""
    if one.judgement.status != "pass" or one.finding is None:
        return one
    broken = [
        reason
        for control in one.finding.controls
        if (reason := _control_failure(control, findings, policy)) is not None
    ]
    if not broken:
        return one
    reason = "the measurement did not pass its own controls: " + "; ".join(broken)
    update = {"status": "incomplete", "reason": reason}
    return replace(one, judgement=one.judgement.model_copy(update=update))


def _control_failure(control: str, findings: dict[str, Finding], policy: Policy) -> str | None:
    finding = findings.get(control)
    if finding is None:
        return f"{control} is missing"
    if finding.value is None:
        return f"{control} is undefined ({finding.undefined})"
    rules = [rule for rule in policy.controls if fnmatchcase(control, rule.finding)]
    if not rules:
        return f"{control} has no limit in the policy's controls"
    for rule in rules:
        bound, wants_more = bound_of(rule)
        if (finding.value < bound) if wants_more else (finding.value > bound):
            return f"{control} is {finding.value:.3g}, {in_words(rule)} expected"
    return None


def _missing_check(check: str, outcomes: Sequence[Outcome]) -> Judgement | None:
    outcome = next((one for one in outcomes if one.check == check), None)
    if outcome is None:
        reason = f"it did not run{near_miss(check, (one.check for one in outcomes))}"
    elif outcome.status != "measured":
        reason = _status_sentence(outcome)
    else:
        headline = next((f for f in outcome.findings if f.id == outcome.headline), None)
        if headline is not None and headline.value is not None:
            return None
        why = headline.undefined if headline else "it has no headline finding"
        reason = f"its main number is undefined: {why}"
    return Judgement(
        limit=f"{check} is required", finding=check, status="incomplete", reason=reason
    )


def _why_nothing_matches(pattern: str, outcomes: Sequence[Outcome]) -> str:
    check = pattern.split("/", 1)[0]
    outcome = next((one for one in outcomes if one.check == check), None)
    if outcome is None:
        known = [one.check for one in outcomes]
        return f"the check {check} did not run.{near_miss(check, known)}"
    if outcome.status != "measured":
        return _status_sentence(outcome)
    return f"no finding matches.{near_miss(pattern, (one.id for one in outcome.findings))}"


def _status_sentence(outcome: Outcome) -> str:
    match outcome.status:
        case "errored":
            return f"the check {outcome.check} errored: {outcome.reason}"
        case "skipped":
            return f"the check {outcome.check} was skipped: {outcome.reason}"
        case "not_applicable":
            return f"the check {outcome.check} does not apply: {outcome.reason}"
        case "measured":
            return f"the check {outcome.check} was measured"
        case _:
            assert_never(outcome.status)


def _waive(
    judgements: Sequence[Judgement], waivers: Sequence[Waiver], today: date
) -> tuple[list[Judgement], list[Waived], list[str]]:
    valid = [one for one in waivers if one.expires >= today]
    notes = [
        f"The waiver of {one.finding} ({one.owner}) expired on {one.expires.isoformat()}."
        for one in waivers
        if one.expires < today
    ]
    kept: list[Judgement] = []
    waived: list[Waived] = []
    for one in judgements:
        waiver = next((w for w in valid if _waives(w, one)), None)
        if waiver is None or one.status == "pass":
            kept.append(one)
        else:
            waived.append(
                Waived(
                    judgement=one,
                    reason=waiver.reason,
                    owner=waiver.owner,
                    expires=waiver.expires.isoformat(),
                )
            )
    return kept, waived, notes


def _waives(waiver: Waiver, judgement: Judgement) -> bool:
    check = judgement.finding.split("/", 1)[0]
    return fnmatchcase(judgement.finding, waiver.finding) or waiver.finding == check


def _worst(judgements: Sequence[Judgement]) -> LimitStatus:
    seen = {one.status for one in judgements}
    if "fail" in seen:
        return "fail"
    return "incomplete" if "incomplete" in seen else "pass"


def undecided_checks(verdict: Verdict) -> set[str]:
    """Return the ids of checks of which a limit is not decided."""
    return {one.finding.split("/", 1)[0] for one in verdict.decided_by if one.status != "fail"}


def _error_rates(policy: Policy, limits: int, looks: int) -> str:
    tail = looks * (1 - policy.level) / 2
    when = f", at any of {looks} looks" if looks > 1 else ""
    return (
        f"Error rates: each of {limits} limits passes wrongly with a chance of at most {tail:.3g};"
        f" the chance that any fails wrongly is at most {tail:.3g} (Holm){when}."
    )


def _looks(outcomes: Sequence[Outcome], policy: Policy, looks: int) -> str:
    given = Counter(one.inputs for one in outcomes if one.inputs is not None)
    checks = ", ".join(
        f"{count(n, 'check')} with {count(inputs, 'input')}" for inputs, n in sorted(given.items())
    )
    return (
        f"Looks: more inputs only where a limit was not decided: {checks}. Every interval has the"
        f" level {policy.level:.4g}, so that those of all {looks} planned looks hold together at"
        f" {1 - looks * (1 - policy.level):.4g}."
    )


def _limits(judgements: Sequence[Judgement]) -> str:
    return f"{len(judgements)} limit{'s' if len(judgements) != 1 else ''}"


def _verdict(
    status: VerdictStatus,
    open_: Sequence[Judgement],
    judgements: Sequence[Judgement],
    waived: list[Waived],
    notes: list[str],
) -> Verdict:
    bad = [one for one in open_ if one.status != "pass"]
    decided = sorted(bad, key=lambda one: one.status != "fail")
    passed = [one for one in open_ if one.status == "pass"]
    fails = sum(one.status == "fail" for one in bad)
    match status:
        case "pass":
            met = {1: "the one limit is", 2: "both limits are"}.get(
                len(passed), f"all {len(passed)} limits are"
            )
            sentence = f"Pass: {met} met."
        case "fail":
            sentence = (
                f"Fail: {fails} of {_limits(judgements)} {'is' if fails == 1 else 'are'} missed."
            )
        case "incomplete":
            sentence = (
                f"Incomplete: {len(bad)} of {_limits(open_)}"
                f" {'is' if len(bad) == 1 else 'are'} not decided."
            )
        case "not_judged":
            sentence = "Not judged: no limits are set."
        case _:
            assert_never(status)
    if waived:
        sentence += f" {len(waived)} waived."
    return Verdict(
        status=status,
        exit_code=EXIT_CODES[status],
        sentence=sentence,
        decided_by=decided,
        passed=passed,
        waived=waived,
        notes=notes,
    )

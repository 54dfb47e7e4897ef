"""Findings and policy to pass, fail or incomplete; absence never passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from fnmatch import fnmatchcase
from typing import assert_never

from auditkit.errors import near_miss
from auditkit.findings import Finding, Outcome
from auditkit.policy import Limit, Policy, Waiver
from auditkit.result import Judgement, LimitStatus, Verdict, VerdictStatus, Waived
from auditkit.statistics import (
    binomial_p_above,
    binomial_p_below,
    holm,
    n_needed_for_mean,
    n_needed_for_share,
    normal_quantile,
    normal_tail,
)
from auditkit.types import Modality

EXIT_CODES: dict[VerdictStatus, int] = {"pass": 0, "not_judged": 0, "fail": 1, "incomplete": 3}


def judge(
    outcomes: Sequence[Outcome],
    policy: Policy,
    *,
    modality: Modality,
    today: date,
    interrupted: bool = False,
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
    today : date
        Waivers that expired before this day do not hold.
    interrupted : bool
        Whether checks are missing because the run was stopped; the verdict is then incomplete.
    """
    limits = [one for one in policy.limits if one.modality in (None, modality)]
    if not limits and not policy.required and not interrupted:
        return _verdict("not_judged", [], [], [], ["No limits are set: nothing was judged."])
    findings = {one.id: one for outcome in outcomes for one in outcome.findings}
    weighed = _with_holm(
        [one for limit in limits for one in _weigh(limit, outcomes, policy)], policy
    )
    judgements = [_controlled(one, findings, policy).judgement for one in weighed]
    judgements += [
        missing
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
    notes.append(_error_rates(policy, len(weighed)))
    return _verdict(status, open_, judgements, waived, notes)


@dataclass(frozen=True)
class _Weighed:
    """A judgement with what Holm's correction and the controls need to know."""

    judgement: Judgement
    p: float | None = None  # of "the limit is met", for findings with an interval
    finding: Finding | None = None
    bound: float = 0.0


def _weigh(limit: Limit, outcomes: Sequence[Outcome], policy: Policy) -> list[_Weighed]:
    matched = [
        one
        for outcome in outcomes
        for one in outcome.findings
        if fnmatchcase(one.id, limit.finding)
    ]
    if matched:
        return [_weigh_finding(limit, one, policy) for one in matched]
    reason = _why_nothing_matches(limit.finding, outcomes)
    return [_Weighed(_judgement(limit, limit.finding, "incomplete", reason))]


def _weigh_finding(limit: Limit, finding: Finding, policy: Policy) -> _Weighed:
    value, low, high = finding.value, finding.low, finding.high
    if value is None:
        return _Weighed(
            _judgement(limit, finding.id, "incomplete", f"undefined: {finding.undefined}")
        )
    if finding.slice != "all" and finding.n < policy.minimum_n:
        reason = f"n = {finding.n} is below the policy's minimum of {policy.minimum_n}"
        return _Weighed(
            _judgement(limit, finding.id, "incomplete", reason, finding, policy.minimum_n)
        )
    if finding.interval == "exact":
        low = high = value
    if low is None or high is None:
        reason = "the finding has no interval, so nothing sure can be said"
        return _Weighed(_judgement(limit, finding.id, "incomplete", reason))
    bound, wants_more = _bound(limit)
    p = _p_value(finding, value, low, high, bound, wants_more=wants_more)
    cautious, daring = (low, high) if wants_more else (high, low)
    if (cautious >= bound) if wants_more else (cautious <= bound):
        status, reason = "pass", "the whole interval meets the limit"
    elif (daring < bound) if wants_more else (daring > bound):
        status, reason = "fail", "the whole interval misses the limit"
    else:
        status, reason = "incomplete", "the interval straddles the limit"
    needs = _n_needed(finding, value, low, high, bound) if status == "incomplete" else None
    if status == "incomplete":
        reason += f": needs about {needs:,} inputs" if needs else ": more inputs than a million"
    return _Weighed(
        _judgement(limit, finding.id, status, reason, finding, needs), p, finding, bound
    )


def _bound(limit: Limit) -> tuple[float, bool]:
    if limit.min is not None:
        return limit.min, True
    assert limit.max is not None  # a limit has either min or max
    return limit.max, False


def _p_value(
    finding: Finding, value: float, low: float, high: float, bound: float, *, wants_more: bool
) -> float:
    """Return how surprising the value is if the limit is just met."""
    if finding.interval == "clopper-pearson" and 0 <= bound <= 1:
        count = round(value * finding.n)
        tail = binomial_p_below if wants_more else binomial_p_above
        return tail(count, finding.n, bound)
    missed = (bound - value) if wants_more else (value - bound)
    half = (high - value) if wants_more else (value - low)
    if half <= 0:
        return 0.0 if missed > 0 else 1.0
    z = normal_quantile(0.5 + finding.level / 2)
    return normal_tail(missed / half * z)


def _with_holm(weighed: list[_Weighed], policy: Policy) -> list[_Weighed]:
    """Keep a fail only where it survives Holm's correction over all limits."""
    tested = [i for i, one in enumerate(weighed) if one.p is not None]
    p_values = [p for i in tested if (p := weighed[i].p) is not None]
    surely = dict(zip(tested, holm(p_values, alpha=(1 - policy.level) / 2), strict=True))
    adjusted: list[_Weighed] = []
    for i, one in enumerate(weighed):
        if one.judgement.status == "fail" and not surely.get(i, True):
            adjusted.append(_doubtful(one, len(tested), policy))
        else:
            adjusted.append(one)
    return adjusted


def _doubtful(one: _Weighed, limits: int, policy: Policy) -> _Weighed:
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


def _n_needed(finding: Finding, value: float, low: float, high: float, bound: float) -> int | None:
    if finding.interval == "clopper-pearson":
        return n_needed_for_share(value, bound, finding.n, level=finding.level)
    return n_needed_for_mean(value, low, high, bound, finding.n)


def _controlled(one: _Weighed, findings: dict[str, Finding], policy: Policy) -> _Weighed:
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
        bound, wants_more = _bound(rule)
        if (finding.value < bound) if wants_more else (finding.value > bound):
            return f"{control} is {finding.value:.3g}, {_sentence(rule)} expected"
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


def _judgement(
    limit: Limit,
    finding_id: str,
    status: LimitStatus,
    reason: str,
    finding: Finding | None = None,
    needs: int | None = None,
) -> Judgement:
    return Judgement(
        limit=_sentence(limit),
        finding=finding_id,
        status=status,
        reason=reason,
        low=finding.low if finding else None,
        high=finding.high if finding else None,
        needs_n=needs,
    )


def _sentence(limit: Limit) -> str:
    metric = limit.finding.split("/")[1] if "/" in limit.finding else limit.finding
    bound, wants_more = _bound(limit)
    return f"{metric} {'>=' if wants_more else '<='} {bound:g}"


def _error_rates(policy: Policy, limits: int) -> str:
    tail = (1 - policy.level) / 2
    return (
        f"Error rates: each of {limits} limits passes wrongly with a chance of at most {tail:.3g};"
        f" the chance that any fails wrongly is at most {tail:.3g} (Holm)."
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
            met = "the one limit is" if len(passed) == 1 else f"all {len(passed)} limits are"
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

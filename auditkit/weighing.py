"""One limit and one finding, or how much worse it got, to pass, fail or incomplete."""

from __future__ import annotations

from dataclasses import dataclass

from auditkit.diff.report import Change
from auditkit.findings import Finding
from auditkit.policy import Limit, Policy
from auditkit.result import BoundKind, Judgement, LimitStatus
from auditkit.statistics import (
    binomial_p_above,
    binomial_p_below,
    n_needed_for_mean,
    n_needed_for_share,
    normal_quantile,
    normal_tail,
)


@dataclass(frozen=True)
class Weighed:
    """A judgement with what Holm's correction and the controls need to know."""

    judgement: Judgement
    p: float | None = None  # of "the limit is met", for findings with an interval
    finding: Finding | None = None
    bound: float = 0.0


def weigh(limit: Limit, finding: Finding, policy: Policy) -> Weighed:
    """Hold one limit against one finding; nothing is corrected for other limits."""
    value, low, high = finding.value, finding.low, finding.high
    if value is None:
        return Weighed(judged(limit, finding.id, "incomplete", f"undefined: {finding.undefined}"))
    if finding.slice != "all" and finding.n < policy.minimum_n:
        reason = f"n = {finding.n} is below the policy's minimum of {policy.minimum_n}"
        return Weighed(judged(limit, finding.id, "incomplete", reason, finding, policy.minimum_n))
    if finding.interval == "exact":
        low = high = value
    if low is None or high is None:
        reason = "the finding has no interval, so nothing sure can be said"
        return Weighed(judged(limit, finding.id, "incomplete", reason))
    bound, wants_more = bound_of(limit)
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
    return Weighed(judged(limit, finding.id, status, reason, finding, needs), p, finding, bound)


def weigh_drop(limit: Limit, finding: Finding, change: Change | None, policy: Policy) -> Weighed:
    """Hold a limit against how much worse a finding is than in the reference result.

    Parameters
    ----------
    limit : Limit
        With `max_drop_against`.
    finding : Finding
        As it is now.
    change : Change, optional
        The finding before and now; None where the reference has nothing to compare it with.
    policy : Policy
        Its level and minimum n.
    """
    drop = None if change is None else change.drop(finding)
    if finding.value is None:
        return weigh(limit, finding, policy)
    if drop is None:
        return Weighed(judged(limit, finding.id, "incomplete", _no_drop(finding, change)))
    if drop.low is None and change is not None and change.why:
        reason = f"the difference has no interval: {change.why}"
        return Weighed(judged(limit, finding.id, "incomplete", reason))
    return weigh(limit, drop, policy)


def _no_drop(finding: Finding, change: Change | None) -> str:
    if change is None:
        return "the reference result has no such finding"
    if finding.better == "neither":
        return "neither direction of it is worse: give min or max"
    return f"it cannot be compared with the reference: {change.why or 'no value'}"


def bound_of(limit: Limit) -> tuple[float, bool]:
    """Return the bound of a limit, and whether more is better."""
    if limit.min is not None:
        return limit.min, True
    most = limit.max if limit.max_drop_against is None else limit.max_drop_against
    assert most is not None  # a limit has one bound
    return most, False


def _bound_kind(limit: Limit) -> BoundKind:
    if limit.max_drop_against is not None:
        return "max_drop_against"
    return "max" if limit.min is None else "min"


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


def _n_needed(finding: Finding, value: float, low: float, high: float, bound: float) -> int | None:
    if finding.interval == "clopper-pearson":
        return n_needed_for_share(value, bound, finding.n, level=finding.level)
    return n_needed_for_mean(value, low, high, bound, finding.n)


def judged(
    limit: Limit,
    finding_id: str,
    status: LimitStatus,
    reason: str,
    finding: Finding | None = None,
    needs: int | None = None,
) -> Judgement:
    """Return what a limit says about a finding."""
    return Judgement(
        limit=in_words(limit),
        finding=finding_id,
        status=status,
        reason=reason,
        low=finding.low if finding else None,
        high=finding.high if finding else None,
        needs_n=needs,
        place=limit.place,
        bound=bound_of(limit)[0],
        bound_is=_bound_kind(limit),
    )


def in_words(limit: Limit) -> str:
    """Return a limit as a sentence.

    Examples
    --------
    >>> in_words(Limit(finding="clean-accuracy/accuracy/all", min=0.7))
    'accuracy >= 0.7'
    """
    metric = limit.finding.split("/")[1] if "/" in limit.finding else limit.finding
    bound, wants_more = bound_of(limit)
    if limit.max_drop_against is not None:
        return f"{metric} worse by at most {bound:g} than the reference"
    return f"{metric} {'>=' if wants_more else '<='} {bound:g}"

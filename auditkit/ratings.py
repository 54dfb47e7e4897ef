"""What a policy calls each of several things that one check compares, such as its methods."""

from __future__ import annotations

from collections.abc import Sequence

from auditkit.findings import Finding, Outcome, finding_id
from auditkit.policy import Limit, Policy, Rating, RatingLimit
from auditkit.result import Judgement, Rated
from auditkit.weighing import judged, weigh


def rated(outcomes: Sequence[Outcome], policy: Policy) -> list[Rated]:
    """Return a word for every value of the parameters that a policy rates, in their own order.

    All limits surely met, by the whole interval, give the first word; one surely missed gives the
    last; anything else, a missing number among it, the one between.

    Parameters
    ----------
    outcomes : sequence of Outcome
        What every check came to.
    policy : Policy
        Its ratings.
    """
    return [
        _rated(rating, value, outcome.findings, policy)
        for rating in policy.ratings
        for outcome in outcomes
        if outcome.check == rating.check
        for value in _values(rating, outcome.findings)
    ]


def _values(rating: Rating, findings: Sequence[Finding]) -> list[str]:
    """Return the values of the parameter on which anything that the rating asks for was found."""
    metrics = {one.metric for one in rating.limits}
    return list(
        dict.fromkeys(
            str(one.params[rating.parameter])
            for one in findings
            if one.metric in metrics and one.slice == "all" and rating.parameter in one.params
        )
    )


def _rated(rating: Rating, value: str, findings: Sequence[Finding], policy: Policy) -> Rated:
    held = [_held(rating, one, value, findings, policy) for one in rating.limits]
    statuses = {one.status for one in held}
    rank = 2 if "fail" in statuses else 1 if "incomplete" in statuses else 0
    against = [one for one in held if one.status != "pass"]
    return Rated(
        check=rating.check,
        parameter=rating.parameter,
        value=value,
        word=rating.words[rank],
        rank=rank,
        because=sorted(against, key=lambda one: one.status != "fail"),
    )


def _held(
    rating: Rating, bounds: RatingLimit, value: str, findings: Sequence[Finding], policy: Policy
) -> Judgement:
    wanted = finding_id(rating.check, bounds.metric, "all", {rating.parameter: value})
    limit = Limit(finding=wanted, min=bounds.min, max=bounds.max)
    found = next((one for one in findings if one.id == wanted), None)
    if found is None:
        return judged(limit, wanted, "incomplete", f"{rating.check} has no such number")
    return weigh(limit, found, policy).judgement

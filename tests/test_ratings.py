"""Mirrors auditkit/ratings.py."""

from __future__ import annotations

from datetime import date

import pytest
from pydantic import ValidationError

from auditkit.findings import Finding, Outcome, finding_id
from auditkit.policy import Policy, Rating, RatingLimit
from auditkit.ratings import rated
from auditkit.result import Rated
from auditkit.verdict import judge

RATING = Rating(
    check="trust",
    parameter="method",
    words=("good", "open", "bad"),
    limits=(RatingLimit(metric="gain", min=0.0), RatingLimit(metric="likeness", max=0.7)),
)


def finding(metric: str, method: str, low: float | None, high: float | None) -> Finding:
    known = low is not None and high is not None
    return Finding(
        id=finding_id("trust", metric, "all", {"method": method}),
        metric=metric,
        value=(low + high) / 2 if known else None,  # type: ignore[operator]
        unit="share",
        n=64,
        low=low,
        high=high,
        level=0.95,
        interval="bootstrap" if known else "none",
        better="higher",
        slice="all",
        params={"method": method, "steps": 32},
        undefined=None if known else "there are no weights",
    )


def outcome(*findings: Finding) -> Outcome:
    return Outcome(
        check="trust", version=1, family="attribution", question="?", metrics={},
        status="measured", headline=None, findings=list(findings),
    )  # fmt: skip


def words(*findings: Finding, rating: Rating = RATING) -> dict[str, str]:
    found = rated([outcome(*findings)], Policy(ratings=(rating,)))
    return {one.value: one.word for one in found}


def only(*findings: Finding) -> Rated:
    (one,) = rated([outcome(*findings)], Policy(ratings=(RATING,)))
    return one


def test_all_limits_surely_met_give_the_first_word() -> None:
    found = only(finding("gain", "map", 0.1, 0.2), finding("likeness", "map", 0.1, 0.3))
    assert (found.word, found.rank, found.because) == ("good", 0, [])
    assert (found.check, found.parameter, found.value) == ("trust", "method", "map")


def test_an_interval_that_straddles_leaves_it_open() -> None:
    found = only(finding("gain", "map", -0.1, 0.2), finding("likeness", "map", 0.1, 0.3))
    assert (found.word, found.rank) == ("open", 1)
    assert [each.limit for each in found.because] == ["gain >= 0"]


def test_one_limit_surely_missed_gives_the_last_word_and_stands_first() -> None:
    found = only(finding("gain", "map", -0.1, 0.2), finding("likeness", "map", 0.8, 0.9))
    assert (found.word, found.rank) == ("bad", 2)
    assert [each.limit for each in found.because] == ["likeness <= 0.7", "gain >= 0"]
    assert (found.because[0].low, found.because[0].high) == (0.8, 0.9)


@pytest.mark.parametrize("missing", ["absent", "undefined"])
def test_absence_never_passes(missing: str) -> None:
    there = [finding("gain", "map", 0.1, 0.2)]
    if missing == "undefined":
        there.append(finding("likeness", "map", None, None))
    found = only(*there)
    assert found.word == "open"
    expected = "trust has no such number" if missing == "absent" else "there are no weights"
    assert expected in found.because[0].reason


def test_every_value_gets_its_own_word_in_the_order_of_the_findings() -> None:
    found = words(
        finding("gain", "second", 0.1, 0.2),
        finding("gain", "first", -0.2, -0.1),
        finding("likeness", "second", 0.1, 0.2),
        finding("likeness", "first", 0.1, 0.2),
        finding("unrelated", "third", 0.1, 0.2),
    )
    assert list(found.items()) == [("second", "good"), ("first", "bad")]


def test_findings_about_a_slice_alone_get_no_word() -> None:
    sliced = finding("gain", "map", 0.1, 0.2).model_copy(update={"slice": "old"})
    assert words(sliced) == {}


def test_other_checks_and_other_parameters_get_no_word() -> None:
    elsewhere = RATING.model_copy(update={"check": "other"})
    assert words(finding("gain", "map", 0.1, 0.2), rating=elsewhere) == {}
    by_size = RATING.model_copy(update={"parameter": "size"})
    assert words(finding("gain", "map", 0.1, 0.2), rating=by_size) == {}


@pytest.mark.parametrize("limit", [{"metric": "gain"}, {"metric": "gain", "min": 0, "max": 1}])
def test_a_limit_has_one_bound(limit: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="give either min or max"):
        RatingLimit.model_validate(limit)


def test_a_verdict_carries_the_words_and_is_not_changed_by_them() -> None:
    bad = outcome(finding("gain", "map", -0.2, -0.1), finding("likeness", "map", 0.1, 0.2))
    policy = Policy(ratings=(RATING,))
    found = judge([bad], policy, modality="image", today=date(2026, 1, 15))
    assert found.status == "not_judged"
    assert [each.word for each in found.ratings] == ["bad"]
    silent = judge([bad], policy.judging_nothing(), modality="image", today=date(2026, 1, 15))
    assert silent.ratings == []
    required = policy.model_copy(update={"required": ("absent",)})
    judged = judge([bad], required, modality="image", today=date(2026, 1, 15))
    assert judged.status == "incomplete"
    assert [each.word for each in judged.ratings] == ["bad"]

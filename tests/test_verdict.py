"""Mirrors auditkit/verdict.py."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit.diff.report import Change
from auditkit.findings import Finding, Metric, Outcome
from auditkit.policy import Limit, Policy, Waiver
from auditkit.result import Verdict
from auditkit.statistics import clopper_pearson, n_needed_for_share
from auditkit.types import Modality
from auditkit.verdict import judge

TODAY = date(2026, 1, 15)


def share(
    count: int, n: int, *, metric: str = "robust_accuracy", slice_name: str = "all", controls=()
) -> Finding:
    low, high = clopper_pearson(count, n)
    return Finding(
        id=f"pgd-linf/{metric}/{slice_name}",
        metric=metric,
        value=count / n,
        unit="share",
        n=n,
        low=low,
        high=high,
        level=0.95,
        interval="clopper-pearson",
        better="higher",
        slice=slice_name,
        controls=list(controls),
    )


def undefined(metric: str = "robust_accuracy") -> Finding:
    return share(1, 2, metric=metric).model_copy(
        update={"value": None, "low": None, "high": None, "undefined": "no such input"}
    )


def outcome(*findings: Finding, check: str = "pgd-linf", status: str = "measured") -> Outcome:
    return Outcome(
        check=check,
        version=1,
        family="robustness",
        question="?",
        metrics={"robust_accuracy": Metric(label="", definition="", unit="", better="higher")},
        status=status,  # type: ignore[arg-type]
        reason=None if status == "measured" else "it broke",
        headline=findings[0].id if findings else None,
        findings=list(findings),
    )


def verdict(outcomes: list[Outcome], *, modality: Modality = "image", **policy: object) -> Verdict:
    return judge(outcomes, Policy.model_validate(policy), modality=modality, today=TODAY)


def at_least(bound: float, finding: str = "pgd-linf/robust_accuracy/all") -> Limit:
    return Limit(finding=finding, min=bound)


@given(count=st.integers(0, 300), n=st.integers(1, 300), bound=st.floats(0.001, 0.999))
def test_one_limit_is_decided_by_the_interval_alone(count: int, n: int, bound: float) -> None:
    count = min(count, n)
    low, high = clopper_pearson(count, n)
    wants_more = verdict([outcome(share(count, n))], limits=[at_least(bound)]).status
    assert wants_more == ("pass" if low >= bound else "fail" if high < bound else "incomplete")
    at_most = Limit(finding="pgd-linf/robust_accuracy/all", max=bound)
    wants_less = verdict([outcome(share(count, n))], limits=[at_most]).status
    assert wants_less == ("pass" if high <= bound else "fail" if low > bound else "incomplete")


@pytest.mark.parametrize(("shift", "status", "code"), [(1e-6, "fail", 1), (-1e-6, "pass", 0)])
def test_just_outside_the_interval(shift: float, status: str, code: int) -> None:
    low, high = clopper_pearson(60, 100)
    bound = (high if shift > 0 else low) + shift
    answer = verdict([outcome(share(60, 100))], limits=[at_least(bound)])
    assert (answer.status, answer.exit_code) == (status, code)
    [judgement] = [*answer.decided_by, *answer.passed]
    assert (judgement.bound, judgement.bound_is) == (bound, "min")


def test_inside_the_interval_is_incomplete_and_names_the_n_that_would_decide() -> None:
    answer = verdict([outcome(share(60, 100))], limits=[at_least(0.55)])
    (judgement,) = answer.decided_by
    assert (answer.status, answer.exit_code) == ("incomplete", 3)
    assert judgement.needs_n == n_needed_for_share(0.6, 0.55, 100)
    assert judgement.needs_n is not None
    low, _ = clopper_pearson(round(0.6 * judgement.needs_n), judgement.needs_n)
    assert low > 0.55  # with so many inputs the same share would pass
    assert f"{judgement.needs_n:,}" in judgement.reason


def test_fail_beats_incomplete_beats_pass() -> None:
    found = [outcome(share(60, 100), share(95, 100, metric="b"), share(5, 100, metric="c"))]
    passing, open_, failing = (
        at_least(0.8, "pgd-linf/b/all"),
        at_least(0.55),
        at_least(0.8, "pgd-linf/c/all"),
    )
    assert verdict(found, limits=[passing]).status == "pass"
    assert verdict(found, limits=[passing, open_]).status == "incomplete"
    assert verdict(found, limits=[passing, open_, failing]).status == "fail"


def test_holm_keeps_a_narrow_miss_among_many_limits_from_failing() -> None:
    _, high = clopper_pearson(60, 100)
    narrow = share(60, 100)
    others = [share(95, 100, metric=f"m{i}") for i in range(40)]
    limits = [at_least(high + 0.001)]
    assert verdict([outcome(narrow)], limits=limits).status == "fail"
    limits += [at_least(0.5, f"pgd-linf/m{i}/all") for i in range(40)]
    answer = verdict([outcome(narrow, *others)], limits=limits)
    assert answer.status == "incomplete"
    assert "Holm" in answer.decided_by[0].reason
    clear = verdict([outcome(share(5, 100), *others)], limits=limits)
    assert clear.status == "fail"


@pytest.mark.parametrize("status", ["errored", "skipped", "not_applicable"])
def test_absence_never_passes(status: str) -> None:
    absent = outcome(status=status)
    for answer in (
        verdict([absent], limits=[at_least(0.0)]),
        verdict([absent], required=["pgd-linf"]),
    ):
        assert (answer.status, answer.exit_code) == ("incomplete", 3)
        assert "it broke" in answer.decided_by[0].reason


def test_an_optional_check_that_errored_leaves_the_verdict_alone() -> None:
    broken = outcome(check="attribution-trust", status="errored")
    found = [outcome(share(95, 100)), broken]
    assert verdict(found, limits=[at_least(0.5)]).status == "pass"
    assert (
        verdict(found, limits=[at_least(0.5)], required=["attribution-trust"]).status
        == "incomplete"
    )


def test_undefined_missing_and_small_are_incomplete() -> None:
    assert verdict([outcome(undefined())], limits=[at_least(0.0)]).status == "incomplete"
    assert verdict([outcome(undefined())], required=["pgd-linf"]).status == "incomplete"
    unknown = verdict([outcome(share(9, 10))], limits=[at_least(0, "pgd-linf/robust_acuracy/all")])
    assert unknown.status == "incomplete"
    assert "Did you mean 'pgd-linf/robust_accuracy/all'?" in unknown.decided_by[0].reason
    never_ran = verdict([outcome(share(9, 10))], limits=[at_least(0, "typos/accuracy/all")])
    assert never_ran.status == "incomplete"
    small = share(10, 10, slice_name="age=old")
    limits = [at_least(0.0, "pgd-linf/robust_accuracy/age=old")]
    assert verdict([outcome(small)], limits=limits).status == "incomplete"
    assert verdict([outcome(small)], limits=limits, minimum_n=10).status == "pass"


def test_without_limits_nothing_is_judged() -> None:
    answer = verdict([outcome(share(1, 100))])
    assert (answer.status, answer.exit_code) == ("not_judged", 0)


def test_limits_for_another_modality_are_left_out() -> None:
    limit = {"finding": "pgd-linf/robust_accuracy/all", "min": 0.99, "modality": "image"}
    assert verdict([outcome(share(1, 100))], limits=[limit]).status == "fail"
    assert verdict([outcome(share(1, 100))], limits=[limit], modality="text").status == "not_judged"


def test_limits_for_sensitive_columns_are_left_out_where_there_are_none() -> None:
    limit = {"finding": "pgd-linf/robust_accuracy/all", "min": 0.99, "sensitive": True}
    assert verdict([outcome(share(1, 100))], limits=[limit]).status == "fail"
    policy = Policy.model_validate({"limits": [limit]})
    for sensitive, status in ((True, "fail"), (False, "not_judged")):
        found = judge(
            [outcome(share(1, 100))], policy, modality="image", sensitive=sensitive, today=TODAY
        )
        assert found.status == status


CONTROL = "pgd-linf/zero_gradient_share/all"


@pytest.mark.parametrize(
    ("control", "rules", "status"),
    [
        (share(0, 100, metric="zero_gradient_share"), [{"finding": CONTROL, "max": 0.05}], "pass"),
        (
            share(50, 100, metric="zero_gradient_share"),
            [{"finding": CONTROL, "max": 0.05}],
            "incomplete",
        ),
        (share(0, 100, metric="zero_gradient_share"), [], "incomplete"),
        (undefined("zero_gradient_share"), [{"finding": CONTROL, "max": 0.05}], "incomplete"),
        (None, [{"finding": CONTROL, "max": 0.05}], "incomplete"),
    ],
)
def test_a_failed_or_missing_control_withholds_the_pass(
    control: Finding | None, rules: list[dict[str, object]], status: str
) -> None:
    found = [share(95, 100, controls=[CONTROL]), *([control] if control else [])]
    assert verdict([outcome(*found)], limits=[at_least(0.5)], controls=rules).status == status


def test_a_failed_control_never_softens_a_fail() -> None:
    found = outcome(share(5, 100, controls=[CONTROL]))
    assert verdict([found], limits=[at_least(0.5)]).status == "fail"


def test_waivers_hold_until_they_expire_and_are_shown() -> None:
    waiver = {"finding": "pgd-linf/*", "reason": "known", "owner": "me"}
    found, limits = [outcome(share(5, 100))], [at_least(0.5)]
    holds = Waiver(**waiver, expires=TODAY)  # type: ignore[arg-type]
    answer = verdict(found, limits=limits, waivers=[holds])
    assert answer.status == "pass"
    assert answer.waived[0].reason == "known"
    assert answer.waived[0].judgement.status == "fail"
    over = Waiver(**waiver, expires=date(2026, 1, 14))  # type: ignore[arg-type]
    answer = verdict(found, limits=limits, waivers=[over])
    assert answer.status == "fail"
    assert any("expired" in note for note in answer.notes)


def test_an_interrupted_audit_is_incomplete_whatever_it_found() -> None:
    for limits in ([], [at_least(0.5)], [at_least(0.99)]):
        answer = judge(
            [outcome(share(95, 100))],
            Policy(limits=tuple(limits)),
            modality="image",
            today=TODAY,
            interrupted=True,
        )
        assert (answer.status, answer.exit_code) == ("incomplete", 3)


def test_bootstrap_intervals_decide_like_exact_ones() -> None:
    finding = share(50, 100).model_copy(update={"interval": "bootstrap", "low": 0.4, "high": 0.7})
    for bound, status in ((0.39, "pass"), (0.71, "fail"), (0.55, "incomplete")):
        assert verdict([outcome(finding)], limits=[at_least(bound)]).status == status
    (judgement,) = verdict([outcome(finding)], limits=[at_least(0.55)]).decided_by
    assert judgement.needs_n == 1600  # the upper half-width .2 must shrink to .05: 16 times n


def test_a_mean_that_is_no_share_is_not_counted_in_inputs() -> None:
    """Every set holds two classes: the interval has the name of its range, not of a share."""
    size = share(1, 2).model_copy(
        update={
            "value": 2.0, "low": 1.7, "high": 2.1, "n": 20, "interval": "clopper-pearson-scaled"
        }
    )  # fmt: skip
    most = Limit(finding="pgd-linf/robust_accuracy/all", max=1.9)
    (judgement,) = verdict([outcome(size)], limits=[most]).decided_by
    assert judgement.status == "incomplete"
    assert judgement.needs_n == 180  # the lower half-width .3 must shrink to .1: 9 times n


def test_the_sentence_counts_limits_in_plain_words() -> None:
    two = [at_least(0.5), at_least(0.6)]
    good = [outcome(share(95, 100))]
    assert verdict(good, limits=two[:1]).sentence == "Pass: the one limit is met."
    assert verdict(good, limits=two).sentence == "Pass: both limits are met."
    bad = [outcome(share(5, 100))]
    assert verdict(bad, limits=two[:1]).sentence == "Fail: 1 of 1 limit is missed."
    assert verdict(bad, limits=two).sentence == "Fail: 2 of 2 limits are missed."
    open_ = [outcome(undefined())]
    assert verdict(open_, limits=two[:1]).sentence == "Incomplete: 1 of 1 limit is not decided."


# --- drops against a reference -------------------------------------------------------------------


def change(**update: object) -> Change:
    plain = Change(
        finding="pgd-linf/robust_accuracy/all", check="pgd-linf", family="robustness",
        about="Robust accuracy", metric="Robust accuracy", unit="share", better="higher",
        before=0.9, after=0.8, n_before=400, n_after=400, difference=-0.1, low=-0.15, high=-0.05,
        level=0.95, interval="newcombe-paired", paired=True, n=400,
    )  # fmt: skip
    return plain.model_copy(update=update)


@pytest.mark.parametrize(
    ("most", "status"), [(0.2, "pass"), (0.15, "pass"), (0.1, "incomplete"), (0.04, "fail")]
)
def test_the_interval_of_the_drop_meets_the_limit(most: float, status: str) -> None:
    policy = Policy(limits=(Limit(finding="pgd-linf/robust_accuracy/all", max_drop_against=most),))
    one = change()
    verdict = judge(
        [outcome(share(320, 400))],
        policy,
        modality="image",
        today=TODAY,
        changes={one.finding: one},
    )
    assert verdict.status == status
    (judged,) = [*verdict.decided_by, *verdict.passed]
    assert (judged.low, judged.high) == (0.05, 0.15)
    assert (judged.bound, judged.bound_is) == (most, "max_drop_against")


def test_what_is_better_lower_drops_upwards() -> None:
    one = change(better="lower", difference=0.1, low=0.05, high=0.15)
    drop = one.drop(share(320, 400))
    assert drop is not None
    assert (drop.value, drop.low, drop.high) == (0.1, 0.05, 0.15)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (None, "--against"),
        ({}, "no such finding"),
        ({"difference": None, "why": "the settings differ"}, "the settings differ"),
        ({"better": "neither"}, "give min or max"),
        ({"low": None, "high": None, "why": "no interval of its own"}, "no interval of its own"),
    ],
)
def test_a_drop_that_nobody_can_tell_is_incomplete(
    changes: dict[str, object] | None, reason: str
) -> None:
    policy = Policy(limits=(Limit(finding="pgd-linf/robust_accuracy/all", max_drop_against=0.1),))
    one = change(**changes) if changes else None
    known = None if changes is None else {one.finding: one} if one else {}
    found = share(320, 400)
    if one is not None and one.better == "neither":
        found = found.model_copy(update={"better": "neither"})
    verdict = judge([outcome(found)], policy, modality="image", today=TODAY, changes=known)
    assert verdict.status == "incomplete"
    assert reason in verdict.decided_by[0].reason

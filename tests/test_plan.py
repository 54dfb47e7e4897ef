"""Mirrors auditkit/plan.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from auditkit.checks.catalogue import BUILT_IN
from auditkit.errors import ConfigError
from auditkit.plan import Shard, make_plan
from auditkit.policy import Policy
from tests.subjects import linear_subject

SUBJECT = linear_subject(0, n=25)


def plan_of(**policy: object):
    return make_plan(
        Policy.model_validate(policy), SUBJECT.model, SUBJECT.data, shard_size=10
    )  # fmt: skip


def test_shards_cover_every_input_once() -> None:
    plan = plan_of()
    assert plan.shards == (Shard(0, 10), Shard(10, 20), Shard(20, 25))
    assert plan.steps == 3 * len(plan.checks)


def test_every_check_runs_or_says_why_not() -> None:
    plan = plan_of()
    assert {one.meta.id for one in plan.checks} | {one.check for one in plan.not_run} == {
        kind.meta.id for kind in BUILT_IN
    }
    reasons = {one.check: one.reason for one in plan.not_run}
    assert reasons["typos"] == "it is about text models"
    assert all(one.status == "not_applicable" and one.reason for one in plan.not_run)


def test_what_a_policy_skips_is_said_and_runs_when_it_is_asked_for() -> None:
    plan = plan_of(skip=["pgd-linf", "typos"])
    assert "pgd-linf" not in {one.meta.id for one in plan.checks}
    told = {one.check: (one.status, one.reason) for one in plan.not_run}
    assert told["pgd-linf"] == (
        "skipped",
        "this policy leaves it out; to run it, add: --check pgd-linf",
    )
    assert told["typos"][0] == "not_applicable", "what could not run anyway says so"
    asked = plan_of(skip=["pgd-linf"], checks=["pgd-linf"])
    assert [one.meta.id for one in asked.checks] == ["pgd-linf"]
    assert asked.not_run == ()


JUDGED = {"limits": [{"finding": "pgd-linf/*", "min": 0.5}]}


def test_what_controls_a_judged_check_runs_along_with_it_unless_it_is_left_out() -> None:
    plan = plan_of(checks=["pgd-linf", "worst-case"], **JUDGED)
    assert [one.meta.id for one in plan.checks] == ["pgd-linf", "worst-case", "attack-controls"]
    plan = plan_of(checks=["pgd-linf"], skip=["attack-controls"], **JUDGED)
    assert [one.meta.id for one in plan.checks] == ["pgd-linf"]
    assert [one.check for one in plan.not_run] == ["attack-controls"]


def test_what_a_check_reads_runs_before_it() -> None:
    groups = replace(
        SUBJECT.data, attributes=SUBJECT.data.attributes.assign(site=["a", "b", "a", "b", "b"] * 5)
    )
    policy = Policy(checks=("group-robustness", "worst-case"))
    plan = make_plan(policy, SUBJECT.model, groups, shard_size=10)
    assert [one.meta.id for one in plan.checks] == ["pgd-linf", "worst-case", "group-robustness"]


def test_parameters_reach_the_check() -> None:
    (check,) = plan_of(
        checks=["pgd-linf"], parameters={"pgd-linf": {"epsilons": [0.1, 0.2]}}
    ).checks
    assert check.epsilons == (0.1, 0.2)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"checks": ["pgd-lin"]}, "There is no check 'pgd-lin'. Did you mean 'pgd-linf'?"),
        ({"skip": ["pgd-lin"]}, "Did you mean 'pgd-linf'?"),
        ({"parameters": {"pgd-lin": {}}}, "Did you mean 'pgd-linf'?"),
        ({"parameters": {"pgd-linf": {"step": 3}}}, "no parameter 'step'"),
        ({"parameters": {"pgd-linf": {"steps": "many"}}}, "pgd-linf: steps is 'many'"),
        ({"parameters": {"pgd-linf": {"epsilons": [8]}}}, "8/255"),
        ({"checks": ["typos"], "parameters": {"pgd-linf": {"steps": 0}}}, "steps is 0"),
    ],
)
def test_unknown_names_and_values_are_errors_even_where_they_are_not_selected(
    policy: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError) as error:
        plan_of(**policy)
    assert said in str(error.value)

"""Mirrors auditkit/selftest/measure.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import auditkit
from auditkit.data import digits
from auditkit.errors import DataError, ModelError
from auditkit.models.load import ModelSpec, load_model
from auditkit.policy import Limit, Policy
from auditkit.result import Execution
from auditkit.selftest.measure import held_against, outcomes_of
from auditkit.subject import Subject
from tests.selftest.stubs import data, reader

CHECKS = ("clean-accuracy", "calibration-error", "group-gap")


def test_finds_what_an_audit_finds(tmp_path: Path) -> None:
    """The same findings as `audit run` on the same inputs with the same settings."""
    audited = auditkit.audit(
        "digits-cnn", checks=CHECKS, policy="none", max_inputs=60, out=tmp_path, formats=["json"],
        execution=Execution(),
    )  # fmt: skip
    model = load_model(ModelSpec(source="digits-cnn"))
    subject = Subject(model, digits.load("test").sample(60, seed=0))
    measured = outcomes_of(Policy(checks=CHECKS), subject)
    assert [one.check for one in measured] == [one.check for one in audited.outcomes]
    for ours, theirs in zip(measured, audited.outcomes, strict=True):
        assert ours.status == theirs.status == "measured"
        assert ours.findings == theirs.findings


def test_the_sample_is_taken_before() -> None:
    limit = Limit(finding="clean-accuracy/accuracy/all", min=0.0)
    policy = Policy(checks=("clean-accuracy",), limits=(limit,), max_inputs=40)
    outcomes = outcomes_of(policy, Subject(reader(0), data()))
    assert outcomes[0].findings[0].n == 100
    verdict = held_against(policy, reader(0), data())
    (passed,) = verdict.passed
    assert passed.low is not None
    assert passed.low < 0.92  # 40 of 40, not 100 of 100


def test_a_check_that_cannot_run_leaves_the_limit_open() -> None:
    limit = Limit(finding="typos/mean_typo_error/all", max=0.1)
    verdict = held_against(Policy(checks=("typos",), limits=(limit,)), reader(0), data())
    assert verdict.status == "incomplete"
    assert "does not apply" in verdict.decided_by[0].reason


def test_the_parent_is_the_other_model_for_as_long_as_it_is_judged() -> None:
    limit = Limit(finding="regression/churn/all", max=0.1)
    policy = Policy(checks=("regression",), limits=(limit,))
    named = policy.model_copy(update={"parameters": {"regression": {"other": "parent"}}})
    assert held_against(named, reader(0), data(), parent=reader(0)).status == "pass"
    with pytest.raises(ModelError, match="parent"):  # nothing is left behind
        held_against(named, reader(0), data())


def test_what_was_taught_is_the_training_data_for_as_long_as_it_is_judged() -> None:
    limit = Limit(finding="generalisation/train_accuracy/all", min=0.5)
    policy = Policy(
        checks=("generalisation",),
        limits=(limit,),
        parameters={"generalisation": {"train": "taught"}},
    )
    taught = replace(data(), sha256="1" * 64)
    assert held_against(policy, reader(0), data(), taught=taught).status == "pass"
    with pytest.raises(DataError, match="taught"):  # nothing is left behind
        held_against(policy, reader(0), data())

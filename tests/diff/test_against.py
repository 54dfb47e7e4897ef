"""Mirrors auditkit/diff/against.py."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from auditkit.diff.against import judge_result
from auditkit.diff.sides import load
from auditkit.errors import ResultError
from auditkit.policy import Limit, Policy
from auditkit.result import Result, read_result
from auditkit.verdict import judge
from tests.diff.sample import CHECK, accurate

TODAY = date(2026, 1, 15)
ACCURACY = f"{CHECK}/accuracy/all"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return accurate(tmp_path_factory.mktemp("good"), 200, [0, 1])


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return accurate(tmp_path_factory.mktemp("bad"), 200, range(40))


def judged(after: Path, policy: Policy, reference: Path | None = None) -> Result:
    beside = None if reference is None else load(reference)
    return judge_result(read_result(after), after, policy, today=TODAY, reference=beside)


def at_most(drop: float) -> Policy:
    return Policy(limits=(Limit(finding=ACCURACY, max_drop_against=drop),))


def test_a_drop_meets_the_interval_of_the_paired_difference(good: Path, bad: Path) -> None:
    statuses = [judged(bad, at_most(drop), good).verdict.status for drop in (0.05, 0.19, 0.3)]
    assert statuses == ["fail", "incomplete", "pass"]
    assert judged(good, at_most(0.0), bad).verdict.status == "pass"
    [drop] = judged(bad, at_most(0.05), good).verdict.decided_by
    assert (drop.low, drop.high) != (None, None)


def test_without_a_reference_a_drop_is_incomplete(bad: Path) -> None:
    [open_] = judged(bad, at_most(0.3)).verdict.decided_by
    assert open_.status == "incomplete"
    assert open_.reason == "no reference result was given: --against REFERENCE"


def test_the_verdict_names_the_reference(good: Path, bad: Path) -> None:
    notes = judged(bad, at_most(0.3), good).verdict.notes
    sha256 = read_result(good).model.sha256
    assert notes[-1] == (
        f"The reference is the audit of net ({sha256[:11]}…) of 2026-01-01T00:00:00+00:00."
    )
    assert "reference" not in " ".join(judged(bad, at_most(0.3)).verdict.notes)


def test_a_reference_on_other_data_is_refused(tmp_path: Path, good: Path) -> None:
    with pytest.raises(ResultError, match="different data"):
        judged(good, at_most(0.3), accurate(tmp_path, 200, [], data="e" * 64))


def test_the_new_limits_stand_in_the_result_beside_the_old_settings(
    tmp_path: Path, good: Path
) -> None:
    measured = accurate(tmp_path, 200, [], policy={"seed": 7, "limits": ["old"], "level": 0.9})
    policy = Policy(limits=(Limit(finding=ACCURACY, min=0.5),), seed=1, level=0.99)
    found = judged(measured, policy)
    assert found.verdict == judge(found.outcomes, policy, modality="image", today=TODAY)
    followed = found.provenance.policy
    assert (followed["seed"], followed["level"]) == (7, 0.9), "how it was measured stays"
    [limit] = policy.model_dump(mode="json")["limits"]
    assert followed["limits"] == [limit]
    assert found.outcomes == read_result(measured).outcomes

"""Mirrors examples/ci_gate/."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from auditkit.policy import load_policy
from tests.examples.scripts import EXAMPLES, ran

GATE = EXAMPLES / "ci_gate"
SMALL = {
    "AUDIT_RUN_WORKERS": "1",
    "AUDIT_RUN_MAX_INPUTS": "60",
    "AUDIT_RUN_CHECKS": "clean-accuracy",
}


def gate(tmp_path: Path, bound: float, *arguments: str) -> tuple[Path, str]:
    """Return a copy of the gate whose only limit is on accuracy."""
    shutil.copy(GATE / "gate.sh", tmp_path)
    (tmp_path / "audit.toml").write_text(
        f'[[limits]]\nfinding = "clean-accuracy/accuracy/all"\nmin = {bound}\nreason = "x"\n'
    )
    return tmp_path, str(tmp_path / "gate.sh")


@pytest.mark.parametrize(("bound", "code", "word"), [(0.5, 0, "Pass"), (1.1, 1, "Fail")])
def test_exits_with_the_verdict_and_leaves_the_summary(
    tmp_path: Path, bound: float, code: int, word: str
) -> None:
    cwd, script = gate(tmp_path, bound)
    shown = tmp_path / "step-summary.md"
    environment = {**SMALL, "GITHUB_STEP_SUMMARY": str(shown)}
    done = ran("bash", script, "digits-cnn", cwd=cwd, expected=code, **environment)
    assert done.stdout.startswith(word)
    assert "digits-cnn" in shown.read_text()
    assert (tmp_path / "audit-report" / "report.html").is_file()


def test_a_broken_call_is_no_verdict_and_shows_no_old_summary(tmp_path: Path) -> None:
    cwd, script = gate(tmp_path, 0.5)
    (tmp_path / "audit-report").mkdir()
    (tmp_path / "audit-report" / "summary.md").write_text("an old pass")
    done = ran("bash", script, "no-such-model", cwd=cwd, expected=2, **SMALL)
    assert "an old pass" not in done.stdout


def test_the_policy_is_valid_and_says_why() -> None:
    policy = load_policy(GATE / "audit.toml")
    assert all(limit.reason for limit in policy.limits)


def test_the_workflow_calls_the_gate_and_keeps_the_report() -> None:
    workflow = (GATE / "workflow.yml").read_text(encoding="utf-8")
    assert "bash ci/gate.sh" in workflow
    assert "path: audit-report/" in workflow

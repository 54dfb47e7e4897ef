"""Mirrors examples/train_and_audit.py."""

from __future__ import annotations

from pathlib import Path

import pytest

import auditkit
from tests.examples.scripts import audited, last_command, python


def test_trains_saves_and_audits_as_the_command_line_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = python("train_and_audit.py", "--epochs", "3", "--max-inputs", "20", cwd=tmp_path)
    result = auditkit.read_result(tmp_path / "out" / "report")
    assert "errored" not in {one.status for one in result.outcomes}
    accuracy = next(one for one in result.outcomes if one.check == "clean-accuracy").findings[0]
    assert accuracy.id == "clean-accuracy/accuracy/all"
    assert accuracy.value is not None
    assert accuracy.value > 0.7
    assert result.verdict.sentence in printed

    again = audited(last_command(printed), monkeypatch, tmp_path)
    assert again.data.n == 20
    assert again.outcomes[0].findings[0].value == accuracy.value

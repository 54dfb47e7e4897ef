"""Mirrors examples/glyphs_folder.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples.scripts import audited, last_command, python


def test_writes_a_folder_and_a_model_that_fit_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = python("glyphs_folder.py", "--images", "120", "--epochs", "1", cwd=tmp_path)
    classes = {one.name for one in (tmp_path / "out" / "glyphs" / "test").iterdir()}
    assert classes == {"circle", "square", "triangle", "cross", "star", "ring"}
    assert len(list((tmp_path / "out" / "glyphs" / "train").rglob("*.png"))) == 120

    command = [*last_command(printed), "--max-inputs", "30"]
    result = audited(command, monkeypatch, tmp_path)
    assert result.data.n == 30
    assert result.outcomes[0].status == "measured"

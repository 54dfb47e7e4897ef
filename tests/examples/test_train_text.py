"""Mirrors examples/train_text.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples.scripts import audited, last_command, python

ROWS = [
    f"the {noun} was {word}\t{label}"
    for noun in ("film", "play", "book", "song", "show", "meal")
    for word, label in (("good", 1), ("lovely", 1), ("bad", 0), ("dull", 0))
] * 4


@pytest.mark.parametrize("header", [True, False], ids=["header", "no header"])
def test_learns_from_a_file_and_is_audited_on_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: bool
) -> None:
    first = ["text\tlabel"] if header else []
    text = "\n".join([*first, *ROWS]) + "\n"
    for name in ("train.tsv", "test.tsv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
    options = ["--columns", "text,label", "--epochs", "25", "--word-dropout", "0", "--width", "16"]
    printed = python("train_text.py", "train.tsv", *options, "--out", "my.pt", cwd=tmp_path)

    command = [one.replace("TEST", "test.tsv") for one in last_command(printed)]
    result = audited(command, monkeypatch, tmp_path)
    assert result.model.classes == ["0", "1"]
    assert result.data.n == len(ROWS)
    assert (result.outcomes[0].findings[0].value or 0) > 0.9

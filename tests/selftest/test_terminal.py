"""Mirrors auditkit/selftest/terminal.py."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from auditkit.selftest.report import Selftest
from auditkit.selftest.terminal import render_terminal
from tests.selftest.sample import hostile, table


def printed(selftest: Selftest, *, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, color_system=None)
    render_terminal(selftest, console)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_shows_every_row_with_counts_and_intervals() -> None:
    text = printed(table())
    assert text.startswith("Fail: 1 of 2 flaws with a check")
    first, second, third = (
        next(line for line in text.splitlines() if line.startswith(name))
        for name in ("first", "second", "third")
    )
    assert "caught" in first
    assert "2 of 2 (15.8 to 100 %)" in first
    assert "0 of 2 (0 to 84.2 %)" in first
    assert "60.0 % / 0 % wrong answers" in first
    assert "not told apart" in second
    assert "0 of 2" in second
    assert "no check" in third
    assert "2 of 2" in third  # missed
    assert "not trained here" in third


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_narrow_terminal_keeps_the_counts(width: int) -> None:
    text = printed(table(), width=width)
    assert all(len(line) <= width for line in text.splitlines())
    assert "2 of 2" in text
    assert "15.8" not in text


@pytest.mark.parametrize("width", [80, 160])
def test_nothing_in_the_table_can_act(width: int) -> None:
    text = printed(hostile(), width=width)
    assert "\x1b" not in text
    assert "\u202e" not in text

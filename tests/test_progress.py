"""Mirrors auditkit/progress.py."""

from __future__ import annotations

import io
import sys
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace

import pytest
from rich.console import Console

from auditkit.plan import make_plan, outcome_of
from auditkit.policy import Policy
from auditkit.progress import (
    ConsoleProgress,
    NotebookProgress,
    QuietableConsole,
    notebook_display,
)
from tests.subjects import linear_subject

MADE = linear_subject(0)
PLAN = make_plan(
    Policy(checks=("clean-accuracy", "pgd-linf")), MADE.model, MADE.data, shard_size=20
)


def shown(*, terminal: bool) -> str:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=80, color_system=None)
    with ConsoleProgress(console) as progress:
        progress.planned(PLAN)
        for check in PLAN.checks:
            progress.checking(check)
            for _ in PLAN.shards:
                progress.stepped()
            progress.finished(outcome_of(check, status="measured", seconds=1.25))
    return screen.getvalue()


def test_off_a_terminal_each_check_is_one_plain_line() -> None:
    assert shown(terminal=False).splitlines() == [
        "[1/2] clean-accuracy: measured, 1.2 s",
        "[2/2] pgd-linf: measured, 1.2 s",
    ]


def test_on_a_terminal_the_running_check_and_the_time_left_are_shown() -> None:
    screen = shown(terminal=True)
    assert "Loading model and data" in screen
    assert "[2/2] pgd-linf" in screen
    assert "100 %" in screen
    assert "left" in screen


def test_what_was_survived_is_a_line_and_the_count_starts_again_where_all_checks_do() -> None:
    screen = io.StringIO()
    check = PLAN.checks[0]
    with ConsoleProgress(Console(file=screen, width=40, color_system=None)) as progress:
        progress.planned(PLAN)
        for again in (False, True):
            progress.finished(outcome_of(check, status="measured", seconds=1.25))
            progress.noted("Batch size halved from 128 to 64: out of [memory].", again=again)
        progress.finished(outcome_of(check, status="measured", seconds=1.25))
    assert screen.getvalue().splitlines() == [
        "[1/2] clean-accuracy: measured, 1.2 s",
        "Batch size halved from 128 to 64: out of [memory].",
        "[2/2] clean-accuracy: measured, 1.2 s",
        "Batch size halved from 128 to 64: out of [memory].",
        "[1/2] clean-accuracy: measured, 1.2 s",
    ]


def test_every_look_counts_its_own_checks() -> None:
    screen = io.StringIO()
    check = PLAN.checks[0]
    with ConsoleProgress(Console(file=screen, width=60, color_system=None)) as progress:
        progress.planned(PLAN)
        progress.finished(outcome_of(check, status="measured", seconds=1.25))
        progress.noted("Look at 200 inputs: 1 check is not decided.", again=False)
        progress.planned(replace(PLAN, checks=(check,)))
        progress.finished(outcome_of(check, status="measured", seconds=1.25))
    assert screen.getvalue().splitlines() == [
        "[1/2] clean-accuracy: measured, 1.2 s",
        "Look at 200 inputs: 1 check is not decided.",
        "[1/1] clean-accuracy: measured, 1.2 s",
    ]


def test_a_console_that_nobody_reads_falls_silent() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    console = QuietableConsole(file=Gone(), width=40)
    console.print("a line")
    assert console.quiet
    console.print("another")


def test_in_a_notebook_the_bar_moves_in_one_place_and_leaves_what_matters() -> None:
    shown: list[str] = []
    check = PLAN.checks[0]
    with NotebookProgress(shown.append) as progress:
        progress.warned("the model may read <b>")
        progress.planned(PLAN)
        progress.checking(check)
        progress.stepped()
        running = shown[-1]
        progress.finished(outcome_of(check, status="measured", seconds=1.25))
        done = shown[-1]
        progress.noted("Batch size halved.", again=True)
        again = shown[-1]
    shards = len(PLAN.shards)
    warning = "<div>Warning: the model may read &lt;b&gt;</div>"
    assert running == (
        f'{warning}<div><progress max="{2 * shards}" value="1"></progress>'
        " [1/2] clean-accuracy</div>"
    )
    assert f'value="{shards}"' in done
    assert "[1/2] clean-accuracy: measured" in done
    assert 'value="0"' in again
    assert shown[-1] == f"{warning}<div>Batch size halved.</div>"


def test_in_a_notebook_too_every_look_counts_its_own_checks() -> None:
    shown: list[str] = []
    check = PLAN.checks[0]
    with NotebookProgress(shown.append) as progress:
        progress.planned(PLAN)
        progress.finished(outcome_of(check, status="measured", seconds=1.25))
        progress.planned(replace(PLAN, checks=(check,)))
        progress.checking(check)
        assert 'value="0"' in shown[-1]
        assert f"[1/1] {check.meta.id}" in shown[-1]


def test_what_fails_in_a_notebook_stays_in_sight() -> None:
    shown: list[str] = []
    with suppress(KeyboardInterrupt), NotebookProgress(shown.append) as progress:
        progress.planned(PLAN)
        progress.checking(PLAN.checks[1])
        raise KeyboardInterrupt
    assert "pgd-linf" in shown[-1]


@pytest.mark.parametrize("kernel", [None, object()])
def test_only_a_shell_with_a_kernel_is_a_notebook(
    monkeypatch: pytest.MonkeyPatch, kernel: object
) -> None:
    updates: list[str] = []
    place = SimpleNamespace(update=updates.append)
    ipython = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=kernel))
    shown = SimpleNamespace(HTML=str, display=lambda _html, display_id: place)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    show = notebook_display()
    assert (show is None) == (kernel is None)
    if show is not None:
        show("<b>now</b>")
        assert updates == ["<b>now</b>"]

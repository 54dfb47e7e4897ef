"""Mirrors auditkit/progress.py."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from auditkit.plan import make_plan, outcome_of
from auditkit.policy import Policy
from auditkit.progress import ConsoleProgress, QuietableConsole
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

"""How far an audit is, on stderr: a moving bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from typing import Self, final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from auditkit.checks.base import Check
from auditkit.findings import Outcome
from auditkit.plan import Plan


@final
class QuietableConsole(Console):
    """A console that falls silent when nobody reads it any more, instead of ending the audit."""

    def on_broken_pipe(self) -> None:
        """Say nothing from now on."""
        self.quiet = True


@final
class ConsoleProgress:
    """Shows the running check and the time left.

    Parameters
    ----------
    console : Console
        A console on stderr; without a terminal each finished check is one line.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._loading = console.status("Loading model and data", spinner="line")
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._total = 0
        self._done = 0
        self._shards = 1

    def warned(self, doubt: str) -> None:
        """Print the doubt; it names the option to type."""
        self._console.print(f"Warning: {doubt}", markup=False, highlight=False)

    def planned(self, plan: Plan) -> None:
        """Draw the bar, in the place of that of an earlier look."""
        self._loading.stop()
        if self._bar is not None:
            self._bar.stop()
        self._done, self._total, self._shards = 0, len(plan.checks), len(plan.shards)
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=30),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeRemainingColumn(),
                TextColumn("left"),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task("", total=plan.steps)
            self._bar.start()

    def checking(self, check: Check) -> None:
        """Name the running check."""
        if self._bar is not None and self._task is not None:
            at = f"[{self._done + 1}/{self._total}]"
            self._bar.update(self._task, description=f"{at} {check.meta.id}")

    def stepped(self) -> None:
        """Move the bar by one shard."""
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)

    def noted(self, incident: str, *, again: bool) -> None:
        """Print what was survived; the count starts again where all checks do."""
        if again:
            self._done = 0
            if self._bar is not None and self._task is not None:
                self._bar.update(self._task, completed=0)
        self._console.print(incident, markup=False, highlight=False, soft_wrap=True)

    def finished(self, outcome: Outcome) -> None:
        """Count the check; without a terminal, print its line."""
        self._done += 1
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done * self._shards)
        else:
            line = f"[{self._done}/{self._total}] {outcome.check}: {outcome.status}"
            self._console.print(f"{line}, {outcome.seconds:.1f} s", markup=False, highlight=False)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._loading.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._loading.stop()
        if self._bar is not None:
            self._bar.stop()

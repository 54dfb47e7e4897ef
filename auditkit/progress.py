"""How far an audit is: a moving bar on a terminal or in a notebook, plain lines elsewhere."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Self, final

from markupsafe import escape
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from auditkit.checks.base import Check
from auditkit.findings import Outcome
from auditkit.plan import Plan
from auditkit.render import words


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


@final
class NotebookProgress:
    """Shows the running check under a notebook's cell, in one place; needs no widgets.

    Parameters
    ----------
    show : callable
        Replaces what stands under the cell by a piece of HTML.
    """

    def __init__(self, show: Callable[[str], object]) -> None:
        self._show = show
        self._notes: list[str] = []
        self._now = "Loading model and data"
        self._total = self._done = self._step = 0
        self._shards = 1

    def warned(self, doubt: str) -> None:
        """Keep the doubt in sight; it names the option to type."""
        self._note(f"Warning: {doubt}")

    def planned(self, plan: Plan) -> None:
        """Say how many checks there are; every look counts its own."""
        self._done, self._total, self._shards = 0, len(plan.checks), len(plan.shards)
        self._draw()

    def checking(self, check: Check) -> None:
        """Name the running check."""
        self._step = 0
        self._now = f"[{self._done + 1}/{self._total}] {check.meta.id}"
        self._draw()

    def stepped(self) -> None:
        """Move the bar by one shard."""
        self._step += 1
        self._draw()

    def noted(self, incident: str, *, again: bool) -> None:
        """Keep in sight what was survived; the count starts again where all checks do."""
        if again:
            self._done = self._step = 0
        self._note(incident)

    def finished(self, outcome: Outcome) -> None:
        """Count the check."""
        self._done, self._step = self._done + 1, 0
        self._now = f"[{self._done}/{self._total}] {outcome.check}: {outcome.status}"
        self._draw()

    def __enter__(self) -> Self:
        self._draw()
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None:  # else it stays to be seen how far it came
            self._show(self._said())

    def _note(self, text: str) -> None:
        self._notes.append(text)
        self._draw()

    def _draw(self) -> None:
        most = max(1, self._total * self._shards)
        at = min(most, self._done * self._shards + self._step)
        bar = f'<progress max="{most}" value="{at}"></progress>'
        self._show(f"{self._said()}<div>{bar} {escape(words.line(self._now))}</div>")

    def _said(self) -> str:
        return "".join(f"<div>{escape(words.line(one))}</div>" for one in self._notes)


def notebook_display() -> Callable[[str], object] | None:
    """Return what replaces the output of the running cell by HTML; None outside of a notebook."""
    ipython = sys.modules.get("IPython")  # where it was never imported, nobody is in a notebook
    shell = None if ipython is None else ipython.get_ipython()
    if getattr(shell, "kernel", None) is None:
        return None
    shown = importlib.import_module("IPython.display")
    place = shown.display(shown.HTML(""), display_id=True)
    return lambda html: place.update(shown.HTML(html))

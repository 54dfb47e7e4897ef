"""Keeps an audit going when the process that runs it ends, hangs or is killed.

`audit run` starts itself again as a child that does all the work. The parent imports nothing heavy
and runs no code of a model, so nothing a model does can decide the exit code: a child that ends
without saying how it ended has died, and is replaced by one that takes over what was finished.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn, TypeAlias, final

from auditkit.processes import end_with, how_it_ended, over_time

VARIABLE = "AUDITKIT_SUPERVISED"
SWITCH = "AUDITKIT_SUPERVISE"  # "0" runs everything in one process, for debuggers
GRACE = 10.0  # seconds for a step to notice by itself that its time is up
AT_ONCE = 130  # as shells say: ended by Ctrl-C
TRIES = 2  # of a check whose process died
_POLL = 0.25

Message: TypeAlias = Mapping[str, object]


@final
@dataclass(frozen=True, kw_only=True)
class Handover:
    """What a replaced process leaves to the next one.

    Parameters
    ----------
    resume : bool
        Whether a process before this one ran.
    abandoned : dict
        Checks that are not tried again, and why.
    incidents : tuple of str
        What was survived so far.
    spent : float
        Seconds since the first process started.
    """

    resume: bool = False
    abandoned: dict[str, str] = field(default_factory=dict[str, str])
    incidents: tuple[str, ...] = ()
    spent: float = 0.0


# --- the parent ----------------------------------------------------------------------------------


def is_wanted(arguments: Sequence[str]) -> bool:
    """Whether this command line runs an audit that can be supervised."""
    light = {"-h", "--help"} & set(arguments)
    return (
        os.name == "posix"
        and arguments[:1] == ["run"]
        and not light
        and os.environ.get(SWITCH) != "0"
    )


def supervise(arguments: Sequence[str]) -> int:
    """Run `audit ARGUMENTS` in a child, again after it died, and return the exit code."""
    start = time.monotonic()
    signals = _Signals()
    deaths: Counter[str] = Counter()
    abandoned: dict[str, str] = {}
    incidents: list[str] = []
    while True:
        left = Handover(
            resume=bool(deaths or abandoned),
            abandoned=abandoned,
            incidents=tuple(incidents),
            spent=time.monotonic() - start,
        )
        child = _Child(arguments, left, signals)
        child.watch()
        if child.exit_code is not None:
            return child.exit_code
        if signals.count:
            _say("Interrupted.")
            return 3 if signals.count == 1 else AT_ONCE
        why = child.why()
        if child.check is None:
            _say(f"Error: The process that loads the model and runs it {why}, outside any check.")
            _say("  Look at what the code of the model does when it is imported and called.")
            return 2
        deaths[child.check] += 1
        if child.is_late or deaths[child.check] == TRIES:
            twice = "" if child.is_late else f", {TRIES} times"
            abandoned[child.check] = f"the process that ran it {why}{twice}"
        incident = f"The process that ran {child.check} {why}; another one took over."
        _say(incident)
        if incident not in incidents:
            incidents.append(incident)


def _say(line: str) -> None:
    with suppress(OSError):  # nobody may be listening any more
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


@final
class _Signals:
    """Passes Ctrl-C and SIGTERM on to the child; the second one ends everything."""

    def __init__(self) -> None:
        self.count = 0
        self.child: subprocess.Popen[bytes] | None = None
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, self._pass_on)

    def _pass_on(self, number: int, _frame: object) -> None:
        self.count += 1
        if self.child is not None:
            with suppress(ProcessLookupError):
                self.child.send_signal(number if self.count == 1 else signal.SIGKILL)
        if self.count > 1:
            os._exit(AT_ONCE)


@final
class _Child:
    """One process that runs the audit, and what it has said so far."""

    def __init__(self, arguments: Sequence[str], left: Handover, signals: _Signals) -> None:
        self.exit_code: int | None = None
        self.check: str | None = None
        self.is_late = False
        self._deadline: float | None = None
        self._limit = 0.0
        self._text = b""
        self._reports, reports = os.pipe()
        watched, self._alive = os.pipe()  # closes when this process ends, however it ends
        about = {"report": reports, "watch": watched, **left.__dict__}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "auditkit", *arguments],
            env={**os.environ, VARIABLE: json.dumps(about)},
            pass_fds=(reports, watched),
            process_group=0,  # a terminal's Ctrl-C reaches the child once, through this process
        )
        signals.child = self._process
        if signals.count:
            self._process.send_signal(signal.SIGINT)  # it came between two children
        os.close(reports)
        os.close(watched)

    def watch(self) -> None:
        """Wait until the process has ended, by itself or because its time was up."""
        while self._process.poll() is None:
            if self._deadline is not None and time.monotonic() > self._deadline:
                self.is_late = True
                self._process.kill()
            self._listen(_POLL)
        self._listen(0.0)
        os.close(self._reports)
        os.close(self._alive)

    def why(self) -> str:
        """Return how it ended, in words."""
        if self.is_late:
            return f"was stopped: {over_time(self._limit)}"
        return how_it_ended(self._process.returncode)

    def _listen(self, seconds: float) -> None:
        """Take in what the child says, for at most so long."""
        while select.select([self._reports], [], [], seconds)[0]:
            some = os.read(self._reports, 65536)
            if not some:  # the child has closed its end, and is about to end
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(seconds)
                return
            *lines, self._text = (self._text + some).split(b"\n")
            for line in lines:
                self._hear(json.loads(line))
            seconds = 0.0

    def _hear(self, message: Message) -> None:
        if "exit" in message:
            self.exit_code = int(str(message["exit"]))
        if "check" in message:
            self.check = None if message["check"] is None else str(message["check"])
        limit = message.get("limit")
        self._limit = float(str(limit)) if limit is not None else 0.0
        self._deadline = time.monotonic() + self._limit + GRACE if self._limit else None


# --- the child -----------------------------------------------------------------------------------

_report: int | None = None


def handover() -> Handover | None:
    """Return what the process before this one left, or None in a process without a supervisor."""
    global _report
    text = os.environ.pop(VARIABLE, None)  # whatever is started from here has no supervisor
    if text is None:
        return None
    about = json.loads(text)
    _report, watched = int(about["report"]), int(about["watch"])
    for handle in (_report, watched):
        os.set_inheritable(handle, False)
    end_with(watched)
    return Handover(
        resume=about["resume"],
        abandoned=about["abandoned"],
        incidents=tuple(about["incidents"]),
        spent=about["spent"],
    )


def tell(**message: object) -> None:
    """Say where this process is: check=ID, limit=SECONDS, exit=CODE."""
    if _report is not None:
        os.write(_report, json.dumps(message).encode() + b"\n")


def leave(code: int) -> NoReturn:
    """End this process and let the supervisor know that it meant to."""
    tell(exit=code)
    sys.exit(code)

"""How processes of an audit end, and how they notice that the one above them has ended."""

from __future__ import annotations

import os
import signal
import threading
from multiprocessing import connection


def how_it_ended(code: int | None) -> str:
    """Return an exit status in words; negative numbers are signals.

    Examples
    --------
    >>> how_it_ended(7)
    'ended with exit code 7'
    >>> how_it_ended(-9)
    'was killed by signal 9 (SIGKILL), perhaps because the machine ran out of memory'
    """
    if code is None or code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "unknown"
    said = f"was killed by signal {-code} ({name})"
    starved = name == "SIGKILL"
    return f"{said}, perhaps because the machine ran out of memory" if starved else said


def over_time(seconds: float) -> str:
    """Return why something that took too long was given up."""
    return f"it took longer than the time limit of {seconds:g} s"


def end_with(handle: int) -> None:
    """End this process as soon as `handle` closes: the other end is held by the one above it.

    A process that outlives the one that started it would go on writing into a folder that somebody
    else may have taken over.
    """

    def watch() -> None:
        connection.wait([handle])
        os._exit(1)  # at once: there is nobody to report to

    threading.Thread(target=watch, daemon=True, name="auditkit-parent").start()

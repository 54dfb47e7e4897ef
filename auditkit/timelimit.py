"""Stops Python code in this process when its time is up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

_AGAIN = 0.5  # seconds: a model may swallow the first exception


class TimeIsUp(BaseException):
    """Raised inside the code that took too long; no `except Exception` holds it up."""


@contextmanager
def limited(seconds: float | None) -> Generator[None]:
    """Raise `TimeIsUp` within the block once it has taken so many seconds.

    It comes between two steps of the interpreter: one call into compiled code that does not return
    cannot be stopped this way, which is what the supervisor is for. Without effect where there is
    no limit, outside the main thread, and on Windows.
    """
    in_main = threading.current_thread() is threading.main_thread()
    if seconds is None or not in_main or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3), _AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

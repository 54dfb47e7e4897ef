"""Mirrors auditkit/timelimit.py."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import suppress

import pytest

from auditkit.timelimit import TimeIsUp, limited

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs an alarm")


def test_what_takes_too_long_is_stopped() -> None:
    start = time.monotonic()
    with pytest.raises(TimeIsUp), limited(0.05):
        time.sleep(60)
    assert time.monotonic() - start < 30


def test_what_is_in_time_is_left_alone_and_the_alarm_is_off() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with limited(60):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) == before


def test_it_comes_again_for_code_that_swallows_it() -> None:
    def swallow() -> None:
        with suppress(BaseException):
            time.sleep(60)
        time.sleep(60)

    with pytest.raises(TimeIsUp), limited(0.05):
        swallow()


def test_no_limit_and_other_threads_are_left_alone() -> None:
    with limited(None):
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    seen: list[tuple[float, float]] = []

    def look() -> None:
        with limited(60):
            seen.append(signal.getitimer(signal.ITIMER_REAL))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [(0.0, 0.0)]

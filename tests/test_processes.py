"""Mirrors auditkit/processes.py."""

from __future__ import annotations

import pytest

from auditkit.processes import how_it_ended, over_time


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (0, "ended with exit code 0"),
        (-11, "was killed by signal 11 (SIGSEGV)"),
        (-9, "was killed by signal 9 (SIGKILL), perhaps because the machine ran out of memory"),
        (-200, "was killed by signal 200 (unknown)"),
    ],
)
def test_how_it_ended(code: int, said: str) -> None:
    assert how_it_ended(code) == said


def test_over_time() -> None:
    assert over_time(600.0) == "it took longer than the time limit of 600 s"

"""A killed audit leaves no torn file, renders, and resumes to the same numbers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("times", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_kill_9_at_random_moments(times: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.killed", str(tmp_path), str(times), "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    killed, rendered = (int(part.split()[0]) for part in done.stdout.split(","))
    assert killed >= times // 2, "most kills must meet a living process"
    assert rendered > 0

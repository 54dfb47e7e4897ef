"""A killed audit leaves no torn file, renders, and resumes to the same numbers."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from auditkit.render import FORMATS, render
from auditkit.result import read_result
from tests.faults.commands import AUDIT, audit, environment
from tests.faults.killed import numbers

ROOT = Path(__file__).parents[2]
CHECKS = ("clean-accuracy", "fgsm-linf", "pgd-linf", "calibration-error", "corruptions")
COMMAND = [
    "run", "digits-cnn", "--max-inputs", "200", "--policy", "none", "--format", "json",
    *(word for check in CHECKS for word in ("--check", check)),
]  # fmt: skip


@pytest.mark.parametrize("times", [2, pytest.param(50, marks=pytest.mark.slow)])
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


def members(session: int) -> list[int]:
    """The living processes of a session: the command, the child that works, its workers."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            state, *fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) == session and state != "Z":
                found.append(int(entry.name))
    return found


def kill(process: subprocess.Popen[bytes]) -> int:
    """Kill the whole session of a command at once, and return how many processes that were."""
    killed: set[int] = set()
    while left := members(process.pid):  # one may be starting another
        for one in left:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        killed.update(left)
    process.wait()
    return len(killed)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux")
@pytest.mark.parametrize(("workers", "times"), [("1", 12), ("2", 6)])
def test_kill_9_of_the_command_and_all_its_processes(
    workers: str, times: int, tmp_path: Path
) -> None:
    """As users start it; whatever is left, `--resume` ends with the undisturbed findings."""
    command = [*COMMAND, "--workers", workers]
    start = time.monotonic()
    done = audit(*command, "--out", "whole", cwd=tmp_path)
    whole = time.monotonic() - start
    assert done.returncode == 0, done.stderr
    again = [*command, "--execution", "whole/result.json", "--out", "out", "--resume"]
    out, moments = tmp_path / "out", random.Random(0)
    killed = partial = 0
    for _ in range(times):
        process = subprocess.Popen(
            [*AUDIT, *again],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(moments.uniform(0.2, 1.0) * whole)
        killed += kill(process) > 1
        if (out / "result.json").exists():
            result = read_result(out)
            partial += result.provenance.partial
            assert all(render(result, name) for name in FORMATS)
    assert killed >= times // 3, "kills must meet living processes"
    assert partial > 0, "some of them while checks are running"
    done = audit(*again, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert numbers(out) == numbers(tmp_path / "whole")
    left = {one.name for one in out.iterdir()}
    assert left == {"result.json", "records.parquet", "adversarial.parquet"}

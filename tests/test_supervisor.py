"""Mirrors auditkit/supervisor.py: whatever a model does to its process, the audit ends well."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from auditkit import supervisor
from auditkit.result import read_result
from tests.faults.commands import AUDIT, audit, environment, of_network

pytestmark = pytest.mark.skipif(os.name != "posix", reason="only POSIX systems are supervised")


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["run", "model.pt"], True),
        (["run", "--help"], False),
        (["render", "run"], False),
        ([], False),
    ],
)
def test_only_audits_are_supervised(
    arguments: list[str], wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert supervisor.is_wanted(arguments) is wanted
    monkeypatch.setenv(supervisor.SWITCH, "0")
    assert not supervisor.is_wanted(arguments)


def test_a_process_without_a_supervisor_has_nothing_handed_over() -> None:
    assert supervisor.handover() is None
    supervisor.tell(check="clean-accuracy")  # nobody listens


def test_what_a_model_prints_does_not_reach_the_result(tmp_path: Path) -> None:
    done = audit(*of_network(tmp_path, "Prints", "--json"), cwd=tmp_path)
    assert json.loads(done.stdout)["schema"] == 1
    assert "a line of Python" in done.stderr
    assert "a line of compiled code" in done.stderr


def test_a_process_that_dies_is_replaced(tmp_path: Path) -> None:
    env = environment(AUDITKIT_TEST_MARK=str(tmp_path / "mark"))
    done = audit(*of_network(tmp_path, "DiesOnce"), cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    result = read_result(tmp_path / "out")
    assert [one.status for one in result.outcomes] == ["measured"]
    assert result.provenance.incidents == [
        "The process that ran clean-accuracy was killed by signal 11 (SIGSEGV);"
        " another one took over."
    ]


def test_a_model_that_ends_the_process_while_it_is_loaded_never_passes(tmp_path: Path) -> None:
    """It ends with exit code 0, which must not become the exit code of the audit."""
    done = audit(*of_network(tmp_path, "DiesAtOnce"), cwd=tmp_path)
    assert done.returncode == 2
    assert "ended with exit code 0, outside any check" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_check_whose_process_dies_twice_is_errored_and_the_rest_runs(
    workers: str, tmp_path: Path
) -> None:
    more = ("--check", "corruptions", "--max-inputs", "210", "--workers", workers)
    done = audit(*of_network(tmp_path, "Dies", *more), cwd=tmp_path)
    assert done.returncode == 0, done.stderr  # nothing is judged
    outcomes = read_result(tmp_path / "out").outcomes
    assert [one.status for one in outcomes] == ["errored", "errored"]
    assert all("ended with exit code 0, 2 times" in (one.reason or "") for one in outcomes)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_cannot_be_interrupted_is_stopped_after_the_time_limit(
    workers: str, tmp_path: Path
) -> None:
    more = ("--check-timeout", "3s", "--max-inputs", "210", "--workers", workers)
    done = audit(*of_network(tmp_path, "Hangs", *more), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (one,) = read_result(tmp_path / "out").outcomes
    assert one.status == "errored"
    assert "it took longer than the time limit of 3 s" in (one.reason or "")


@pytest.mark.slow
def test_a_model_that_hangs_while_it_is_loaded(tmp_path: Path) -> None:
    done = audit(*of_network(tmp_path, "HangsAtOnce", "--check-timeout", "20s"), cwd=tmp_path)
    assert done.returncode == 2
    assert "was stopped: it took longer than the time limit of 20 s" in done.stderr


@pytest.mark.slow
def test_the_process_that_does_the_work_is_killed_from_outside(tmp_path: Path) -> None:
    process = started(tmp_path, "Sleeps")
    worker = int((tmp_path / "out" / ".lock").read_text())
    os.kill(worker, signal.SIGKILL)
    deadline = time.monotonic() + 120
    while (tmp_path / "out" / ".lock").read_text() == f"{worker}\n":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(5)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 3
    (said,) = read_result(tmp_path / "out").provenance.incidents
    assert "was killed by signal 9 (SIGKILL)" in said


def started(folder: Path, network: str) -> subprocess.Popen[str]:
    """Start an audit and wait until a check is asking the model."""
    process = subprocess.Popen(
        [*AUDIT, *of_network(folder, network)],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 300
    while not (folder / "out" / "result.json").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1)
    return process


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_one_interrupt_writes_what_is_there(number: signal.Signals, tmp_path: Path) -> None:
    process = started(tmp_path, "Sleeps")
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 3, err
    assert "Incomplete" in out
    result = read_result(tmp_path / "out")
    assert result.provenance.partial
    assert result.records is not None
    assert [one.reason for one in result.outcomes] == ["interrupted"]


@pytest.mark.slow
@pytest.mark.parametrize("network", ["Sleeps", "Hangs"])
def test_two_interrupts_end_at_once(network: str, tmp_path: Path) -> None:
    process = started(tmp_path, network)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    while process.poll() is None:
        process.send_signal(signal.SIGINT)  # two that come together count as one
        time.sleep(0.05)
    process.communicate(timeout=60)
    in_time = {3} if network == "Sleeps" else set[int]()  # the first one may have been enough
    assert process.returncode in {supervisor.AT_ONCE, *in_time}
    assert read_result(tmp_path / "out").provenance.partial


@pytest.mark.slow
def test_the_child_does_not_outlive_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    process = started(tmp_path, "Sleeps")
    process.kill()
    process.communicate(timeout=60)  # which ends when nobody can write any more
    deadline = time.monotonic() + 60
    while (tmp_path / "out" / ".lock").exists() and time.monotonic() < deadline:
        holder = int((tmp_path / "out" / ".lock").read_text())
        try:
            os.kill(holder, 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the child still runs")
    assert read_result(tmp_path / "out").provenance.partial

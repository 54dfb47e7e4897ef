"""An audit ends as usual in every environment a process may find itself in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from auditkit.result import read_result
from tests.faults.commands import AUDIT, DIGITS, ROOT, audit, environment

pytestmark = pytest.mark.skipif(os.name != "posix", reason="environments of POSIX systems")
LONG = "ein Ordner mit Leerzeichen und Ümläuten 数字 " + "x" * 150


def nothing(_folder: Path) -> None:
    """Leave the process as it is."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """What is different for the child."""

    env: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    out: str = "out"
    before: Callable[[Path], None] = nothing  # in the child, before it becomes an audit


def closed_output(_folder: Path) -> None:
    os.close(1)


def private(_folder: Path) -> None:
    os.umask(0o077)


def deleted_folder(folder: Path) -> None:
    gone = folder / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()


def fresh_session(_folder: Path) -> None:
    os.setsid()  # no terminal to talk to


SLOW = pytest.mark.slow
PLACES = {
    "plain": Place(),
    "locale C": Place(env={"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0"}),
    "ascii output": Place(env={"PYTHONIOENCODING": "ascii"}, out=LONG),
    "spaces, unicode and 200 characters": Place(out=LONG),
    "no HOME": Place(env={"HOME": None, "USER": None, "LOGNAME": None}),
    "a home that takes no files": Place(env={"HOME": "/proc", "XDG_CACHE_HOME": None}),
    "no terminal": Place(before=fresh_session, env={"TERM": None}),
    "COLUMNS=40": Place(env={"COLUMNS": "40"}),
    "no TMPDIR": Place(env={"TMPDIR": "/nowhere/at/all"}),
    "umask 077": Place(before=private),
    "closed output": Place(before=closed_output),
    "no cache": Place(env={"PYTHONDONTWRITEBYTECODE": "1", "XDG_CACHE_HOME": "/proc"}),
}
FAST = ("closed output", "umask 077")
CASES = [pytest.param(one, id=one, marks=[] if one in FAST else SLOW) for one in PLACES]


@pytest.mark.parametrize("name", CASES)
def test_an_audit_ends_as_usual(name: str, tmp_path: Path) -> None:
    place = PLACES[name]
    out = tmp_path / place.out
    done = audit(
        *DIGITS,
        "--out",
        str(out),
        cwd=tmp_path,
        env=environment(**place.env),
        preexec_fn=lambda: place.before(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "clean-accuracy: measured" in done.stderr
    assert "Exception ignored" not in done.stderr
    if name != "closed output":
        assert "Pass: " in done.stdout
    result = read_result(out)
    assert [one.status for one in result.outcomes] == ["measured"]
    assert result.provenance.incidents == []
    mode = (out / "result.json").stat().st_mode & 0o777
    assert mode == (0o600 if name == "umask 077" else 0o644)


def test_a_current_folder_that_was_deleted_is_said(tmp_path: Path) -> None:
    done = audit(*DIGITS, cwd=tmp_path, preexec_fn=lambda: deleted_folder(tmp_path))
    assert done.returncode == 2
    assert "Error: The current folder does not exist any more." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_leaves_changes_neither_exit_code_nor_result(tmp_path: Path) -> None:
    """As `audit run ... --json | head -1` does."""
    process = subprocess.Popen(
        [*AUDIT, *DIGITS, "--json"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait() == 0, said
    assert "Traceback" not in said
    assert "BrokenPipe" not in said
    assert read_result(tmp_path / "reports/digits-cnn").verdict.status == "pass"


@pytest.mark.parametrize("command", [["list", "models"], ["explain", "pgd-linf"]])
def test_a_reader_that_leaves_a_light_command(command: list[str], tmp_path: Path) -> None:
    line = " ".join([*(f"'{one}'" for one in AUDIT), *command])
    shell = ["bash", "-c", f"set -o pipefail; {line} | true"]
    done = subprocess.run(
        shell, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.mark.slow
def test_windows_line_ends(tmp_path: Path) -> None:
    """In a policy, a CSV file and a TSV file."""
    limits = '[[limits]]\nfinding = "clean-accuracy/accuracy/all"\nmin = 0.01\nreason = "x"\n'
    (tmp_path / "audit.toml").write_bytes(limits.replace("\n", "\r\n").encode())
    texts = ["the film is good", "the film is bad"] * 20
    frame = pd.DataFrame({"text": texts, "label": ["positive", "negative"] * 20})
    found: list[object] = []
    for name, sign, end in (("a.csv", ",", "\n"), ("b.csv", ",", "\r\n"), ("c.tsv", "\t", "\r\n")):
        frame.to_csv(tmp_path / name, sep=sign, index=False, lineterminator=end)
        done = audit(
            "run", "phrases-transformer", "--data", name, "--columns", "text,label",
            "--out", name[0], "--policy", "audit.toml", "--check", "clean-accuracy",
            "--format", "json", cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found.append(read_result(tmp_path / name[0]).outcomes[0].findings)
    assert found[0] == found[1] == found[2]


@pytest.mark.slow
def test_data_in_a_folder_with_a_long_name(tmp_path: Path) -> None:
    folder = tmp_path / LONG
    folder.mkdir()
    rng = np.random.default_rng(0)
    np.savez(folder / "d ä 数.npz", x=rng.random((20, 1, 8, 8), np.float32), y=np.arange(20) % 10)
    asked = [*DIGITS, "--data", str(folder / "d ä 数.npz"), "--policy", "none", "--json"]
    done = audit(*asked, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["data"]["n"] == 20


BLOCKED = """
import socket
def blocked(*args, **kwargs):
    raise OSError("the network was used")
class Socket(socket.socket):
    connect = connect_ex = blocked
socket.socket = Socket
socket.create_connection = socket.getaddrinfo = blocked
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ["run", "digits-cnn", "--max-inputs", "20", "--policy", "none", "--workers", "2"],
        ["run", "phrases-transformer", "--max-inputs", "20", "--policy", "none"],
        ["list", "models"],
        ["doctor"],
    ],
)
def test_with_sockets_blocked_everything_but_downloads_works(
    command: list[str], tmp_path: Path
) -> None:
    """Also in the processes that an audit starts."""
    (tmp_path / "sitecustomize.py").write_text(BLOCKED)
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = audit(*command, cwd=tmp_path, env=environment(PYTHONPATH=path))
    assert done.returncode == 0, done.stderr
    assert "the network was used" not in done.stderr
    if command[0] == "run":
        statuses = {one.status for one in read_result(tmp_path / "reports" / command[1]).outcomes}
        assert "errored" not in statuses


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("script") is None, reason="needs a pseudo-terminal")
def test_on_a_narrow_terminal(tmp_path: Path) -> None:
    line = " ".join(f"'{one}'" for one in [*AUDIT, *DIGITS])
    done = subprocess.run(
        ["script", "-qec", f"stty cols 40; {line}", "/dev/null"],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "Pass" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux limits memory")
def test_a_small_address_space(tmp_path: Path) -> None:
    """A network that takes 8 MB for each input, with room for a few of them."""
    import resource

    from tests.faults.commands import of_network

    room = 2600 << 20

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (room, room))

    more = ("--max-inputs", "200", "--check", "fgsm-linf")
    done = audit(*of_network(tmp_path, "Widest", *more), cwd=tmp_path, preexec_fn=limit)
    assert done.returncode == 0, done.stderr
    result = read_result(tmp_path / "out")
    assert {one.status for one in result.outcomes} == {"measured"}
    assert result.provenance.execution.batch_size < 128
    assert any("out of memory" in one for one in result.provenance.incidents)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux limits memory")
def test_memory_is_respected_and_recorded(tmp_path: Path) -> None:
    from tests.faults.commands import of_network

    more = ("--max-inputs", "200", "--check", "fgsm-linf", "--memory", "900MiB")
    done = audit(*of_network(tmp_path, "Wide", *more), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = read_result(tmp_path / "out")
    assert {one.status for one in result.outcomes} == {"measured"}
    assert result.provenance.memory == 900 << 20
    assert result.provenance.execution.batch_size < 128
    assert any("to stay within --memory" in one for one in result.provenance.incidents)

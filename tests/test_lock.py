"""Mirrors auditkit/lock.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from auditkit.errors import ConfigError
from auditkit.lock import FILE, locked

pytest.importorskip("fcntl")


def test_the_second_is_told_who_holds_it(tmp_path: Path) -> None:
    mine = f"process {os.getpid()}"
    with locked(tmp_path), pytest.raises(ConfigError, match=mine) as raised, locked(tmp_path):
        pass
    assert "--out" in raised.value.hint
    with locked(tmp_path):
        assert (tmp_path / FILE).exists()
    assert not (tmp_path / FILE).exists()


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, signal\nfrom auditkit.lock import locked\n"
        f"with locked(pathlib.Path({str(tmp_path)!r})): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert (tmp_path / FILE).exists(), "it had no time to clean up"
    with locked(tmp_path):
        assert (tmp_path / FILE).read_text() == f"{os.getpid()}\n"


def test_a_folder_that_takes_no_files(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written"), locked(tmp_path / "file" / "out"):
        pass

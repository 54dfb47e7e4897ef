"""Runs a script of examples/ as a user would: in a process and a folder of its own."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import auditkit
from auditkit.cli import cli
from auditkit.result import Result

EXAMPLES = Path(__file__).parents[2] / "examples"
TOOLS = Path(sys.executable).parent  # where `audit` is


def ran(
    *command: str | Path, cwd: Path, expected: int = 0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command that must exit as expected."""
    path = f"{TOOLS}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [str(one) for one in command],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == expected, f"{done.stdout}\n{done.stderr}"
    return done


def python(script: str, *arguments: str | Path, cwd: Path) -> str:
    """Run a script of examples/ with warnings as errors and return what it prints."""
    return ran(sys.executable, "-W", "error", EXAMPLES / script, *arguments, cwd=cwd).stdout


def audited(command: list[str], monkeypatch: pytest.MonkeyPatch, cwd: Path) -> Result:
    """Run an `audit run` command in this process, which is faster, and return its result."""
    monkeypatch.chdir(cwd)
    small = ["--check", "clean-accuracy", "--policy", "none", "--workers", "1", "--out", "report"]
    done = CliRunner().invoke(cli, [*command[1:], *small], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return auditkit.read_result(cwd / "report")


def last_command(printed: str) -> list[str]:
    """Return the `audit` command that a script printed last, as words."""
    return ["audit", *shlex.split(printed.rpartition("audit ")[2])]

"""Audits as users start them, in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tests.faults.networks import Fine

ROOT = Path(__file__).parents[2]
AUDIT = [sys.executable, "-m", "auditkit"]
SMALL = ["--suite", "quick", "--max-inputs", "20", "--check", "clean-accuracy", "--workers", "1"]
DIGITS = ["run", "digits-cnn", *SMALL, "--format", "json"]


def environment(**changes: str | None) -> dict[str, str]:
    """Return this process's variables with some changed, or taken away."""
    found: dict[str, str | None] = {**os.environ, "PYTHONPATH": str(ROOT), **changes}
    return {name: value for name, value in found.items() if value is not None}


def of_network(folder: Path, name: str, *more: str) -> list[str]:
    """Return the arguments that audit one of `tests.faults.networks` on digits."""
    file = folder / "net.pt"
    if not file.exists():
        torch.manual_seed(0)
        torch.save(Fine().state_dict(), file)
    return [
        "run", str(file), "--arch", f"tests.faults.networks:{name}", "--data", "digits",
        "--input-shape", "1,8,8", "--classes", ",".join("0123456789"), "--policy", "none",
        "--format", "json", "--out", str(folder / "out"), *SMALL, *more,
    ]  # fmt: skip


def audit(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, **more: Any
) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [*AUDIT, *arguments],
        cwd=cwd,
        env=env or environment(),
        capture_output=True,
        text=True,
        check=False,
        **more,
    )

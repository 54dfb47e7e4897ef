"""Imports point one way, and light commands stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "auditkit"

# Each layer may import from its own and from those below it.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("callbacks", "pytest_plugin"),
    ("undisturbed",),
    ("api", "doctor", "export", "progress", "reproduce", "selftest", "timing", "track", "view"),
    ("run",),
    ("spread",),
    ("explain", "description", "records", "stored", "state", "engine", "convert", "provenance"),
    ("plan", "subject"),
    ("diff", "render", "init", "resolved", "verdict", "ratings", "weighing", "checks"),
    ("policy", "artifacts", "behaviour", "memory", "privacy", "exhibits"),
    ("models", "data", "methods"),
    ("result",),
    ("findings",),
    ("statistics", "randomness", "lock", "supervisor"),
    (
        "types",
        "errors",
        "limits",
        "looks",
        "paths",
        "percent",
        "plurals",
        "processes",
        "timelimit",
        "places",
    ),
)
LIGHT = (
    "diff",
    "view",
    "track",
    "render",
    "verdict",
    "findings",
    "result",
    "policy",
    "init",
    "statistics",
    "types",
    "errors",
)
SHOWS_ITSELF = {  # upwards, when a notebook asks: a result knows who draws it, and nothing more
    ("result.py", "auditkit.render.notebook"),
    ("result.py", "auditkit.render.terminal"),
}
HEAVY = ("torch", "captum", "foolbox", "sklearn", "pandas")


def imports_of(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
    return found


def part_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def level_of(part: str) -> int:
    return next(i for i, layer in enumerate(LAYERS) if part in layer)


FILES = [one for one in sorted(PACKAGE.rglob("*.py")) if one != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("file", FILES, ids=lambda one: str(one.relative_to(PACKAGE)))
def test_imports_point_down(file: Path) -> None:
    here = part_of(file)
    for module in imports_of(file):
        if module.startswith("auditkit.") and (file.name, module) not in SHOWS_ITSELF:
            there = module.split(".")[1]
            assert level_of(there) >= level_of(here), f"{here} imports {module}"


@pytest.mark.parametrize("file", FILES, ids=lambda one: str(one.relative_to(PACKAGE)))
def test_rendering_and_judging_know_no_model(file: Path) -> None:
    if part_of(file) in LIGHT:
        for module in imports_of(file):
            assert module.split(".")[0] not in HEAVY
            assert not module.startswith(("auditkit.models", "auditkit.checks", "auditkit.data"))


def test_nothing_below_run_reads_the_clock() -> None:
    allowed = {"run", "cli", "doctor", "progress", "timing", "__main__", "api", "supervisor"}
    waits = PACKAGE / "models" / "endpoint.py"  # between two requests; no number depends on it
    for file in FILES:
        if part_of(file) not in allowed and file != waits:
            assert not imports_of(file) & {"time"}, file


def test_no_torchvision() -> None:
    code = "import auditkit.run, auditkit.cli, sys; assert 'torchvision' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["list", "suites"]])
def test_light_commands_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from auditkit.cli import cli\n"
        f"cli.main({arguments!r}, standalone_mode=False)\n"
        f"heavy = [m for m in {HEAVY!r} if m in sys.modules]; assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)

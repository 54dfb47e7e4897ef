"""Mirrors auditkit/selftest/code.py."""

from __future__ import annotations

import importlib
import linecache
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from auditkit.selftest import code

SHARED = """
RATE = 2

def step(x):
    return RATE * x
"""
FLAW = """
from auditkit.selftest import shared_for_test as shared

SHARE = 0.5
TEXT = "planted"

def teach(seed):
    return _helped(seed) + SHARE

def _helped(seed):
    return shared.step(seed)

def symptom(model):
    return model + 1
"""


@pytest.fixture
def code_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function from the texts of two modules to the code behind `teach`."""
    monkeypatch.setattr("auditkit.selftest.__path__", [str(tmp_path)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def of(flaw: str = FLAW, shared: str = SHARED) -> str:
        for name, text in (("flaw_for_test", flaw), ("shared_for_test", shared)):
            (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
            sys.modules.pop(f"auditkit.selftest.{name}", None)
        importlib.invalidate_caches()
        linecache.clearcache()
        code.code_behind.cache_clear()
        code._tree.cache_clear()
        return code.code_behind(importlib.import_module("auditkit.selftest.flaw_for_test").teach)

    return of


@pytest.mark.parametrize(
    "change",
    [
        ("    return _helped(seed) + SHARE", "    # why\n\n    return (_helped(seed) + SHARE)"),
        ("def teach(seed):\n", 'def teach(seed):\n    """Return it."""\n'),
        ('"planted"', '"planted in another way"'),
        ("return model + 1", "return model + 2"),
    ],
    ids=["layout", "docstring", "words", "symptom"],
)
def test_what_teaches_nothing_changes_nothing(
    code_of: Callable[..., str], change: tuple[str, str]
) -> None:
    assert change[0] in FLAW
    assert code_of(FLAW.replace(*change)) == code_of(FLAW)


@pytest.mark.parametrize(
    ("flaw", "shared"),
    [
        (FLAW.replace("+ SHARE", "- SHARE"), SHARED),
        (FLAW.replace("SHARE = 0.5", "SHARE = 0.6"), SHARED),
        (FLAW.replace("shared.step(seed)", "shared.step(seed + 1)"), SHARED),
        (FLAW, SHARED.replace("RATE = 2", "RATE = 3")),
    ],
    ids=["itself", "constant", "helper", "shared"],
)
def test_all_that_teaches_counts(code_of: Callable[..., str], flaw: str, shared: str) -> None:
    assert code_of(flaw, shared) != code_of(FLAW, SHARED)

"""The limits that must reveal each flaw, as they were frozen in limits.toml."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any

from auditkit.policy import Policy

FILE = resources.files("auditkit.selftest") / "limits.toml"


@cache
def frozen_limits() -> dict[str, Policy]:
    """Return what each flaw's twins are held against, by the flaw's name.

    A flaw that no check can reveal yet has none.
    """
    tables: dict[str, dict[str, Any]] = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {
        f"{flaw}.{variant}": Policy.model_validate(rules)
        for flaw, variants in tables.items()
        for variant, rules in variants.items()
    }

"""What experiment trackers are told of a result: numbers, settings and what has no number."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from auditkit.errors import MissingExtraError
from auditkit.render import words
from auditkit.result import Result


def numbers(result: Result) -> Iterator[tuple[str, float]]:
    """Yield value, low, high and n of every finding by name: the finding's id and which it is.

    A finding without a value is left out, since a tracker would draw any stand-in.
    """
    for outcome in result.outcomes:
        for one in outcome.findings:
            if one.value is None:
                continue
            parts = {"value": one.value, "low": one.low, "high": one.high, "n": one.n}
            for part, number in parts.items():
                if number is not None:
                    yield f"{one.id}/{part}", float(number)


def undefined(result: Result) -> dict[str, str]:
    """Return why findings have no value, by id."""
    return {
        one.id: words.value_of(one)
        for outcome in result.outcomes
        for one in outcome.findings
        if one.value is None
    }


def settings(result: Result) -> dict[str, str]:
    """Return what was audited and how, by name; of a check what its findings share."""
    made = result.provenance
    found = {
        "model": words.line(result.model.name),
        "model_sha256": result.model.sha256,
        "data": words.line(result.data.name),
        "data_split": words.line(result.data.split),
        "data_sha256": result.data.sha256,
        "n": str(result.data.n),
        "suite": words.line(made.suite),
        "seed": str(made.seed),
        "device": words.line(made.device),
        "dtype": words.line(made.dtype),
        "auditkit": words.line(result.auditkit),
    }
    for outcome in result.outcomes:
        check = words.line(outcome.check)
        found[f"{check}/version"] = str(outcome.version)
        found |= {f"{check}/{k}": v for k, v in words.all_settings(result, outcome)}
    return found


def started(result: Result) -> float:
    """Return when the audit started, in seconds since 1970; 0 where the result does not tell."""
    with suppress(ValueError):
        return datetime.fromisoformat(result.provenance.started).timestamp()
    return 0.0


def part_of(tracker: str, module: str) -> Any:
    """Return a module of the package of a tracker; the extra that brings it has the same name.

    Raises
    ------
    MissingExtraError
        If the package is missing.
    """
    try:
        return importlib.import_module(f"{tracker}.{module}")
    except ImportError as error:
        raise MissingExtraError(
            f"This needs the package {tracker}, which is missing.",
            hint=f'Type: pip install "auditkit-ml[{tracker}]"',
        ) from error

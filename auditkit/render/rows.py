"""Findings as rows, one per finding: what CSV and Parquet hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from auditkit.findings import Finding, Outcome
from auditkit.render import outline, words
from auditkit.result import Result

Cell: TypeAlias = str | float | int | None

COLUMNS: dict[str, type[str | float | int]] = {
    "model": str,
    "model_sha256": str,
    "data": str,
    "data_split": str,
    "data_sha256": str,
    "seed": int,
    "family": str,
    "check": str,
    "check_version": int,
    "finding": str,
    "metric": str,
    "slice": str,
    "parameters": str,
    "value": float,
    "unit": str,
    "n": int,
    "low": float,
    "high": float,
    "level": float,
    "interval": str,
    "better": str,
    "undefined": str,
    "headline": int,
    "status": str,
    "limits": str,
}


def rows(result: Result) -> Iterator[dict[str, Cell]]:
    """Yield one row per finding, in the order of the result."""
    shared: dict[str, Cell] = {
        "model": words.line(result.model.name),
        "model_sha256": result.model.sha256,
        "data": words.line(result.data.name),
        "data_split": words.line(result.data.split),
        "data_sha256": result.data.sha256,
        "seed": result.provenance.seed,
    }
    for reading in outline.readings(result):
        for finding in reading.outcome.findings:
            yield {**shared, **_of_finding(reading.outcome, finding), **_judged(reading, finding)}


def _of_finding(outcome: Outcome, finding: Finding) -> dict[str, Cell]:
    return {
        "family": outcome.family,
        "check": words.line(outcome.check),
        "check_version": outcome.version,
        "finding": words.line(finding.id),
        "metric": words.line(finding.metric),
        "slice": words.line(finding.slice),
        "parameters": ",".join(f"{name}={value}" for name, value in words.settings(finding)),
        "value": finding.value,
        "unit": words.line(finding.unit),
        "n": finding.n,
        "low": finding.low,
        "high": finding.high,
        "level": finding.level,
        "interval": finding.interval,
        "better": finding.better,
        "undefined": None if finding.undefined is None else words.line(finding.undefined),
        "headline": int(finding.id == outcome.headline),
    }


def _judged(reading: outline.Reading, finding: Finding) -> dict[str, Cell]:
    """Return the worst that a limit said of a finding, and the limits that were held."""
    marks = reading.marks_on(finding)
    worst = min(marks, key=lambda one: outline.ORDER.index(one.standing), default=None)
    return {
        "status": None if worst is None else worst.standing,
        "limits": "; ".join(words.line(one.limit) for one in marks) or None,
    }

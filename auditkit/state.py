"""Finished checks on disk, found again by what they depend on, so that a killed run resumes."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, is_dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, final

import numpy as np
from pydantic import ValidationError

import auditkit
from auditkit.checks.base import Check, Records
from auditkit.findings import Outcome
from auditkit.result import Execution, write_atomically
from auditkit.subject import Subject

FOLDER = ".resume"


@final
@dataclass(frozen=True)
class Finished:
    """A check that is done: its outcome, and its records where it measured something."""

    outcome: Outcome
    records: Records | None


@final
class State:
    """Finished checks of one run, addressed by model, data, check, parameters, seed and code.

    A stale answer is impossible: whatever changes a number changes the address.
    """

    def __init__(
        self, out: Path, subject: Subject, *, seed: int, level: float, execution: Execution
    ) -> None:
        self._folder = out / FOLDER
        self._common = {
            "auditkit": auditkit.__version__,
            "model": subject.model.identity.sha256,
            "data": subject.data.sha256,
            "ids": hashlib.sha256("\n".join(subject.data.ids).encode()).hexdigest(),
            "seed": seed,
            "level": level,
            "execution": execution.model_dump(),
        }

    def clear(self) -> None:
        """Forget everything."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def load(self, check: Check) -> Finished | None:
        """Return what this very check came to in an earlier run, or None."""
        file = self._file(check)
        try:
            outcome = Outcome.model_validate_json(file.read_text(encoding="utf-8"))
            with np.load(file.with_suffix(".npz"), allow_pickle=False) as stored:
                columns = {name: stored[name] for name in stored.files}
        except (OSError, ValueError, ValidationError):
            return None
        ids = columns.pop("__ids__")
        records = Records([str(one) for one in ids], **columns) if len(ids) else None
        return Finished(outcome, records)

    def save(self, check: Check, finished: Finished) -> None:
        """Keep what a check came to; errors and skips are tried again instead."""
        if finished.outcome.status not in ("measured", "not_applicable"):
            return
        records = finished.records
        columns: dict[str, Any] = dict(records.columns) if records else {}
        columns["__ids__"] = np.array(records.ids if records else ())
        buffer = BytesIO()
        np.savez_compressed(buffer, **columns)
        file = self._file(check)
        write_atomically(file.with_suffix(".npz"), buffer.getvalue())
        write_atomically(file, finished.outcome.model_dump_json())

    def _file(self, check: Check) -> Path:
        parameters = asdict(check) if is_dataclass(check) else {}
        about = {**self._common, "version": check.meta.version, "parameters": parameters}
        text = json.dumps(about, sort_keys=True, default=str)
        address = hashlib.sha256(text.encode()).hexdigest()[:16]
        return self._folder / f"{check.meta.id}-{address}.json"

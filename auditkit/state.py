"""Finished checks on disk, found again by what they depend on, so that a killed run resumes."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, is_dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, Self, final

import numpy as np
from pydantic import ValidationError

import auditkit
from auditkit.checks.adversarial import Adversarial
from auditkit.checks.base import Check, Records
from auditkit.checks.beside import packed_beside, unpacked_beside
from auditkit.findings import Frozen, Outcome
from auditkit.models.classifier import Classifier, ImageClassifier, TextClassifier
from auditkit.result import Execution, remove_temporary_files, write_atomically
from auditkit.stored import packed, unpacked
from auditkit.subject import Subject

FOLDER = ".resume"
_RUN = "run.json"
_BESIDE = "__beside__/"  # before the names of columns of inputs that are not of the sample


@final
@dataclass(frozen=True)
class Finished:
    """A check that is done: its outcome, and what it recorded where it measured something."""

    outcome: Outcome
    records: Records | None
    adversarial: tuple[Adversarial, ...] = ()

    def given(self, inputs: int) -> Self:
        """Return the same, which says how many inputs it was given."""
        return replace(self, outcome=self.outcome.model_copy(update={"inputs": inputs}))


class Earlier(Frozen):
    """What an interrupted run was about, and how it computed."""

    model: str  # hash, or what tells it apart
    data: str  # hash
    execution: Execution
    incidents: list[str] = []

    def changes(self, subject: Subject) -> str:
        """Return which of the two differs now, as a sentence; empty where neither does."""
        model = self.model != _model(subject)
        data = self.data != subject.data.sha256
        if not (model or data):
            return ""
        what = " and ".join(
            name for name, is_other in (("model", model), ("data", data)) if is_other
        )
        verb = "have" if data else "has"
        return (
            f"The {what} {verb} changed since the run that was interrupted,"
            " so every check is measured again."
        )


def _model(subject: Subject) -> str:
    """Return the hash of the model; of one without, such as a function, what is known of it."""
    identity = subject.model.identity
    return identity.sha256 or repr((identity.name, identity.architecture, identity.notes))


def _reading(model: Classifier) -> list[object]:
    """Return how a model reads its inputs, which options can change while its file stays."""
    if isinstance(model, ImageClassifier):
        return [model.input_shape, model.bounds, model.mean, model.std, model.layout]
    if isinstance(model, TextClassifier):
        return [model.tokenizer.to_str(), model.max_length, model.padded]
    return []


@final
class State:
    """Finished checks of one run, addressed by model, data, check, parameters, seed and code.

    A stale answer is impossible: whatever changes a number changes the address.
    """

    def __init__(
        self, out: Path, subject: Subject, *, seed: int, level: float, execution: Execution
    ) -> None:
        self._folder = out / FOLDER
        self._execution = execution
        self._common: dict[str, Any] = {
            "auditkit": auditkit.__version__,
            "model": _model(subject),
            "data": subject.data.sha256,
            "reading": _reading(subject.model),
            "ids": hashlib.sha256("\n".join(subject.data.ids).encode()).hexdigest(),
            "seed": seed,
            "level": level,
            "min_cell": subject.data.min_cell,
            "execution": execution.model_dump(),
        }

    @staticmethod
    def earlier(out: Path) -> Earlier | None:
        """Return what an interrupted run into this folder left, or None."""
        try:
            text = (out / FOLDER / _RUN).read_text(encoding="utf-8")
            return Earlier.model_validate_json(text)
        except (OSError, ValueError):
            return None

    def begin(self, incidents: Sequence[str] = ()) -> None:
        """Keep what this run is about, for the next one to compare."""
        about = Earlier(
            model=self._common["model"],
            data=self._common["data"],
            execution=self._execution,
            incidents=list(incidents),
        )
        remove_temporary_files(self._folder)
        write_atomically(self._folder / _RUN, about.model_dump_json())

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
        inputs = columns.pop("__adversarial__")
        marked = [name for name in columns if name.startswith(_BESIDE)]  # in the order of writing
        beside = unpacked_beside({one.removeprefix(_BESIDE): columns.pop(one) for one in marked})
        records = Records([str(one) for one in ids], **columns) if len(ids) else None
        records = None if records is None else records.with_beside(beside)
        return Finished(outcome, records, tuple(unpacked(inputs.tobytes()).get("", ())))

    def save(self, check: Check, finished: Finished) -> None:
        """Keep what a check came to; errors and skips are tried again instead."""
        if finished.outcome.status not in ("measured", "not_applicable"):
            return
        records = finished.records
        columns: dict[str, Any] = dict(records.columns) if records else {}
        beside = packed_beside(records.beside if records else {})
        columns |= {f"{_BESIDE}{name}": column for name, column in beside.items()}
        columns["__ids__"] = np.array(records.ids if records else ())
        inputs = packed({"": finished.adversarial})
        columns["__adversarial__"] = np.frombuffer(inputs, dtype=np.uint8)
        buffer = BytesIO()
        np.savez_compressed(buffer, **columns)
        file = self._file(check)
        write_atomically(file.with_suffix(".npz"), buffer.getvalue())
        write_atomically(file, finished.outcome.model_dump_json())

    def _file(self, check: Check) -> Path:
        parameters = {**(asdict(check) if is_dataclass(check) else {}), **check.parameters()}
        about = {**self._common, "version": check.meta.version, "parameters": parameters}
        text = json.dumps(about, sort_keys=True, default=str)
        address = hashlib.sha256(text.encode()).hexdigest()[:16]
        return self._folder / f"{check.meta.id}-{address}.json"

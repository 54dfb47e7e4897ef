"""Mirrors auditkit/state.py."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from auditkit.checks.adversarial import Adversarial
from auditkit.checks.base import Records
from auditkit.checks.beside import Beside
from auditkit.checks.robustness.pgd_linf import PgdLinf
from auditkit.checks.robustness.token_swap import TokenSwap
from auditkit.models.classifier import Identity, ImageClassifier
from auditkit.plan import outcome_of
from auditkit.result import Execution
from auditkit.state import FOLDER, Finished, State
from auditkit.subject import Subject
from tests.subjects import linear_subject

MADE = linear_subject(0)
SUBJECT = Subject(MADE.model, MADE.data)
CHECK = PgdLinf(epsilons=(0.1,))


def state(
    folder: Path, *, subject: Subject = SUBJECT, seed: int = 0, batch_size: int = 128
) -> State:
    return State(folder, subject, seed=seed, level=0.95, execution=Execution(batch_size=batch_size))


def finished() -> Finished:
    columns: dict[str, Any] = {
        "kept": np.array([True, False]),
        "distance": np.array([np.nan, np.inf]),
        "digest": np.array(["ä", "<b>"]),
    }
    inputs = Adversarial.among(
        ["a", "b"],
        torch.rand(2, 1, 2, 2, generator=torch.Generator().manual_seed(0)),
        np.array([0.1, np.inf]),
        parameter="epsilon",
        measure="linf",
        most=0.1,
    )
    records = Records(["a", "b"], **columns)
    return Finished(outcome_of(CHECK, status="measured"), records, (inputs,))


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    state(tmp_path).save(CHECK, finished())
    loaded = state(tmp_path).load(CHECK)
    assert loaded is not None
    assert loaded.outcome == finished().outcome
    assert loaded.records is not None
    assert loaded.records.ids == ("a", "b")
    for name, column in finished().records.columns.items():  # type: ignore[union-attr]
        np.testing.assert_array_equal(loaded.records[name], column)
    (inputs,), (before,) = loaded.adversarial, finished().adversarial
    assert (inputs.ids, inputs.found) == (before.ids, before.found) == (("a",), 1)
    np.testing.assert_array_equal(inputs.inputs, before.inputs)


def test_whatever_changes_a_number_changes_the_address(tmp_path: Path) -> None:
    state(tmp_path).save(CHECK, finished())
    other_data = Subject(MADE.model, replace(MADE.data, sha256="1" * 64))
    fewer = Subject(MADE.model, MADE.data.take(np.arange(5)))
    assert state(tmp_path, seed=1).load(CHECK) is None
    assert state(tmp_path, batch_size=64).load(CHECK) is None
    assert state(tmp_path, subject=other_data).load(CHECK) is None
    assert state(tmp_path, subject=fewer).load(CHECK) is None
    darker = copy(MADE.model)  # as --std has it, from the same file
    assert isinstance(darker, ImageClassifier)
    darker.std = (0.5,)
    assert state(tmp_path, subject=Subject(darker, MADE.data)).load(CHECK) is None
    assert state(tmp_path).load(PgdLinf(epsilons=(0.2,))) is None
    assert state(tmp_path).load(PgdLinf(epsilons=(0.1,), steps=3)) is None


def test_a_file_that_a_parameter_names_counts_by_what_it_holds(tmp_path: Path) -> None:
    file = tmp_path / "synonyms.txt"
    file.write_text("big, large")
    check = TokenSwap(synonyms=str(file))
    state(tmp_path).save(check, finished())
    assert state(tmp_path).load(check) is not None
    file.write_text("big, large, vast")
    assert state(tmp_path).load(check) is None


def test_errors_and_skips_are_tried_again(tmp_path: Path) -> None:
    for status in ("errored", "skipped"):
        state(tmp_path).save(CHECK, Finished(outcome_of(CHECK, status=status), None))  # type: ignore[arg-type]
        assert state(tmp_path).load(CHECK) is None


def test_a_torn_file_is_measured_again(tmp_path: Path) -> None:
    state(tmp_path).save(CHECK, finished())
    for file in (tmp_path / FOLDER).iterdir():
        file.write_bytes(file.read_bytes()[:20])
    assert state(tmp_path).load(CHECK) is None


def test_what_a_run_was_about_is_compared_with_the_next_one(tmp_path: Path) -> None:
    assert State.earlier(tmp_path) is None
    state(tmp_path, batch_size=64).begin(["Something was survived."])
    earlier = State.earlier(tmp_path)
    assert earlier is not None
    assert earlier.execution == Execution(batch_size=64)
    assert earlier.incidents == ["Something was survived."]
    assert earlier.changes(SUBJECT) == ""
    other = Subject(MADE.model, replace(MADE.data, sha256="1" * 64))
    assert earlier.changes(other).startswith("The data have changed since")
    model = earlier.model_copy(update={"model": "2" * 64})
    assert model.changes(SUBJECT).startswith("The model has changed since")
    assert model.changes(other).startswith("The model and data have changed since")
    (tmp_path / FOLDER / "run.json").write_text("{")
    assert State.earlier(tmp_path) is None


def test_what_a_killed_process_left_is_taken_away(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / ".check.json.abc.tmp").touch()
    state(tmp_path).begin()
    assert {one.name for one in (tmp_path / FOLDER).iterdir()} == {"run.json"}


def test_models_without_a_hash_are_told_apart_by_what_is_known_of_them(tmp_path: Path) -> None:
    """Functions and endpoints have none; one never answers for another."""

    def subject(name: str, note: str) -> Subject:
        model = copy(MADE.model)
        model.identity = Identity(name=name, architecture="HTTP endpoint", notes=(note,))
        return Subject(model, MADE.data)

    one = state(tmp_path, subject=subject("host", "The model is the endpoint http://host/a."))
    one.begin()
    one.save(CHECK, finished())
    assert one.load(CHECK) is not None
    for name, note in (("other", "a"), ("host", "The model is the endpoint http://host/b.")):
        other = subject(name, note)
        assert state(tmp_path, subject=other).load(CHECK) is None
        earlier = State.earlier(tmp_path)
        assert earlier is not None
        assert "The model has changed" in earlier.changes(other)


def test_what_was_recorded_of_other_inputs_comes_back(tmp_path: Path) -> None:
    rows = np.array([[1.0, 2.0]])
    records = Records(["a"], x=np.array([1])).with_beside(
        {"spring": Beside(("z",), {"x": rows}, ("from a file",))}
    )
    state(tmp_path).save(CHECK, Finished(outcome_of(CHECK, status="measured"), records, ()))
    loaded = state(tmp_path).load(CHECK)
    assert loaded is not None
    assert loaded.records is not None
    assert list(loaded.records.columns) == ["x"]
    one = loaded.records.beside["spring"]
    assert (one.ids, one.notes, one["x"].tolist()) == (("z",), ("from a file",), [[1.0, 2.0]])

"""Mirrors auditkit/export.py: the written file is run as its reader would run it."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import auditkit
from auditkit import export
from auditkit.data.load import DataSpec
from auditkit.errors import ConfigError
from auditkit.export import literal, write_test
from auditkit.models.endpoint import Endpoint
from auditkit.models.load import ModelSpec, load_model
from auditkit.policy import Policy
from auditkit.reproduce import Answered, Question, reproduce
from auditkit.run import Request, run
from auditkit.subject import SubjectSpec
from tests.methods.attacks.subjects import feature_subject
from tests.test_reproduce import write_subject

FINDING = "pgd-linf/attack_success_rate/all/epsilon=0.05"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an audited model, its data and its report."""
    folder = tmp_path_factory.mktemp("audited")
    write_subject(folder, feature_subject(robust=False))
    parameters = {"pgd-linf": {"epsilons": [0.05], "steps": 3}}
    run(
        Request(
            model=ModelSpec(source=str(folder / "model.safetensors")),
            data=DataSpec(source=str(folder / "data.npz")),
            policy=Policy(checks=("pgd-linf",), parameters=parameters),
            out=folder / "report",
            formats=("json",),
        )
    )
    return folder


@pytest.fixture(scope="module")
def answered(place: Path) -> Answered:
    return reproduce(Question(result=place / "report", finding=FINDING))


def tool(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_red_for_the_flawed_model_and_green_for_a_sound_one(
    answered: Answered, place: Path, tmp_path: Path
) -> None:
    """Both in an otherwise empty folder; the sound model lies where the other one lay."""
    flawed, sound = tmp_path / "flawed.safetensors", tmp_path / "sound.safetensors"
    for file in (flawed, sound):
        shutil.copy(place / "model.safetensors", file)
        there = replace(answered, spec=replace(answered.spec, model=ModelSpec(source=str(file))))
        assert write_test(tmp_path / "tests" / f"test_{file.stem}.py", there) == 32
    auditkit.save(feature_subject(robust=True).model, sound)
    done = tool("pytest", "-v", "--tb=line", "-p", "no:cacheprovider", cwd=tmp_path / "tests")
    assert done.returncode == 1, done.stderr
    assert "32 failed, 32 passed" in done.stdout
    assert "test_flawed.py::test_is_answered_correctly[0 at 0.05] FAILED" in done.stdout
    assert "test_sound.py::test_is_answered_correctly[0 at 0.05] PASSED" in done.stdout


def test_it_is_formatted_as_others_format(answered: Answered, tmp_path: Path) -> None:
    model = ModelSpec(
        source=str(tmp_path / 'a "quoted" name, which is rather long, in a rather long folder.pt'),
        arch="package.with_a_long_name.and_a_part:factory_of_the_network",
        input_shape=(3, 224, 224),
        mean=(0.485,),
        classes=tuple(f"a class with a long name {i}" for i in range(4)),
        scale=255.0,
        trust_code=True,
    )
    spec = replace(answered.spec, model=model)
    write_test(tmp_path / "test_long.py", replace(answered, spec=spec))
    write_test(tmp_path / "test_short.py", answered)
    for width in ("88", "100"):
        style = ("--isolated", "--no-cache", "--line-length", width)
        formatted = tool("ruff", "format", "--check", *style, ".", cwd=tmp_path)
        assert formatted.returncode == 0, formatted.stdout
    short = tool("ruff", "check", "--isolated", "--no-cache", "test_short.py", cwd=tmp_path)
    assert short.returncode == 0, short.stdout


def test_the_model_is_loaded_as_it_was(answered: Answered, tmp_path: Path) -> None:
    file = tmp_path / "test_it.py"
    model = ModelSpec(source=str(tmp_path / "x.pt"), arch="a:b", bounds=(0.0, 255.0), layout="bgr")
    write_test(file, replace(answered, spec=replace(answered.spec, model=model)))
    names: dict[str, object] = {"HERE": tmp_path, "ModelSpec": ModelSpec}
    for one in ast.parse(file.read_text()).body:
        if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) in ("SOURCE", "MODEL"):
            exec(ast.unparse(one), names)
    assert names["MODEL"] == model


def test_the_inputs_that_took_least_come_first(
    answered: Answered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert answered.fooling is not None
    budgets = np.random.default_rng(0).random(len(answered.fooling))
    fooling = replace(answered.fooling, budgets=budgets)
    monkeypatch.setattr(export, "MOST", 5)
    assert write_test(tmp_path / "test_few.py", replace(answered, fooling=fooling)) == 5
    with np.load(tmp_path / "test_few.npz", allow_pickle=False) as stored:
        assert stored.files == ["inputs", "labels", "ids", "budgets"]
        assert stored["budgets"].tolist() == sorted(budgets)[:5]
        rows = np.argsort(budgets)[:5]
        np.testing.assert_array_equal(stored["inputs"], np.asarray(fooling.inputs)[rows])
        data = answered.subject.data
        assert [data.classes.index(one) for one in stored["labels"]] == [
            data.labels[data.ids.index(one)] for one in stored["ids"]
        ]


@pytest.mark.parametrize("name", ["regression.py", "test_model.txt", "model.py"])
def test_a_file_that_pytest_would_not_find(answered: Answered, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="pytest does not find") as error:
        write_test(tmp_path / name, answered)
    assert "test_" in error.value.hint


def test_nothing_is_overwritten(answered: Answered, tmp_path: Path) -> None:
    (tmp_path / "test_mine.npz").touch()
    with pytest.raises(ConfigError, match=r"test_mine\.npz exists"):
        write_test(tmp_path / "test_mine.py", answered)
    assert not (tmp_path / "test_mine.py").exists()


def test_without_inputs_there_is_no_test(place: Path, tmp_path: Path) -> None:
    finding = "pgd-linf/zero_gradient_share/all"
    again = reproduce(Question(result=place / "report", finding=finding))
    with pytest.raises(ConfigError, match="No stored input behind pgd-linf/zero_gradient_share"):
        write_test(tmp_path / "test_none.py", again)


def test_a_served_model_is_no_file(answered: Answered, tmp_path: Path) -> None:
    model = ModelSpec(source="x", endpoint=Endpoint(url="https://127.0.0.1:1/"))
    spec = SubjectSpec(model=model, data=None, max_inputs=None, seed=0)
    with pytest.raises(ConfigError, match="this one is served"):
        write_test(tmp_path / "test_it.py", replace(answered, spec=spec))


@given(st.text())
def test_any_text_is_written_as_source(text: str) -> None:
    source = literal(text)
    assert ast.literal_eval(source) == text
    assert source.isascii()
    assert "\n" not in source


def test_names_from_files_cannot_leave_the_docstring(answered: Answered, tmp_path: Path) -> None:
    found = answered.reproduction
    hostile = found.model_copy(update={"finding": 'x"""\nraise SystemExit(7)\n"""\\'})
    write_test(tmp_path / "test_it.py", replace(answered, reproduction=hostile))
    tree = ast.parse((tmp_path / "test_it.py").read_text())
    assert not [one for one in ast.walk(tree) if isinstance(one, ast.Raise)]


def test_rows_of_a_table_are_called_rows(tmp_path: Path) -> None:
    """The test runs: its rows still fool the model that they were made for."""
    model = ModelSpec(source="breast-cancer-logistic-regression")
    parameters = {"feature-changes": {"columns": [3], "radii": [0.5]}}
    policy = Policy(checks=("feature-changes",), parameters=parameters, max_inputs=30)
    run(Request(model=model, policy=policy, out=tmp_path / "report", formats=("json",)))
    finding = "feature-changes/attack_success_rate/all/radius=0.5"
    made = reproduce(Question(result=tmp_path / "report", finding=finding))
    count = write_test(tmp_path / "test_rows.py", made)
    text = (tmp_path / "test_rows.py").read_text()
    assert f"{count} rows, each as it fooled" in text
    assert "(farthest move of a number, in training standard deviations)" in " ".join(text.split())
    names: dict[str, Any] = {"__file__": str(tmp_path / "test_rows.py")}
    exec(compile(text, "test_rows.py", "exec"), names)
    names["STORED"].close()
    case = names["CASES"][0]
    with pytest.raises(AssertionError):
        names["test_is_answered_correctly"](load_model(model), *case.values)

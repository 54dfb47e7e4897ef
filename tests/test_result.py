"""Mirrors auditkit/result.py."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from auditkit.errors import ResultError
from auditkit.result import (
    Execution,
    read_execution,
    read_result,
    to_json,
    write_atomically,
)
from tests.golden.update import EXAMPLES, FOLDER

ROOT = Path(__file__).parents[1]
RESULTS = [*EXAMPLES, *FOLDER.glob("*/result.json")]
SCHEMA = json.loads((ROOT / "docs" / "reference" / "result.schema.json").read_text("utf-8"))


@pytest.mark.parametrize("file", RESULTS, ids=lambda one: one.parent.name)
def test_results_keep_to_the_published_schema(file: Path) -> None:
    content = json.loads(file.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(SCHEMA).validate(content)
    del content["outcomes"][0]["findings"][0]["n"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(content)


@pytest.mark.parametrize("file", RESULTS, ids=lambda one: one.parent.name)
def test_what_is_read_is_what_was_written(file: Path) -> None:
    result = read_result(file)
    assert to_json(result) == file.read_text(encoding="utf-8")
    assert read_result(str(file.parent)) == result


def test_lists_of_numbers_stand_on_one_line() -> None:
    text = to_json(read_result(RESULTS[0]))
    assert re.search(r"\[\n\s*[\d.]+(,\n\s*[\d.]+)*\n\s*\]", text) is None
    assert re.search(r"\[ [\d.]+(, [\d.]+)+ \]", text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "There is no result at"),
        ("{", "is not readable JSON"),
        ("[]", "has result version None"),
        ('{"schema": 2}', "has result version 2; this auditkit reads version 1"),
        ('{"schema": 1}', "is not an auditkit result: auditkit: Field required"),
    ],
)
def test_files_that_are_no_result(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "result.json"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(ResultError) as error:
        read_result(file)
    assert said in error.value.message


def test_execution_settings_come_from_a_result_or_a_file_of_their_own(tmp_path: Path) -> None:
    assert read_execution(RESULTS[0]) == read_result(RESULTS[0]).provenance.execution
    file = tmp_path / "execution.json"
    file.write_text('{"batch_size": 7}', encoding="utf-8")
    assert read_execution(file) == Execution(batch_size=7)
    file.write_text('{"batchsize": 7}', encoding="utf-8")
    with pytest.raises(ResultError, match="holds no execution settings"):
        read_execution(file)


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    write_atomically(file, "old")
    with pytest.raises(TypeError):
        write_atomically(file, 3)  # type: ignore[arg-type]
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file], "no temporary file is left"

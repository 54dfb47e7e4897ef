"""A checked-in result renders to the checked-in files, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditkit.render import DEFAULT, FORMATS, render_text
from auditkit.result import read_result
from tests.golden.update import EXAMPLES, FOLDER, SAMPLES, texts


@pytest.mark.parametrize("name", SAMPLES)
def test_a_result_renders_to_its_golden_files(name: str) -> None:
    folder = FOLDER / name
    for file, text in texts(read_result(folder / "result.json")).items():
        golden = (folder / file).read_bytes().decode()
        assert text == golden, f"{file} changed; if that is wanted: python -m tests.golden.update"


@pytest.mark.parametrize("result", EXAMPLES, ids=lambda one: one.parent.name)
def test_the_reports_of_built_in_models_are_what_their_results_render_to(result: Path) -> None:
    for name in DEFAULT:
        golden = (result.parent / FORMATS[name].file).read_bytes().decode()
        assert render_text(read_result(result), name) == golden, (
            "run: python -m tests.golden.update"
        )

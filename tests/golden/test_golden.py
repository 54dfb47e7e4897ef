"""A checked-in result renders to the checked-in files, byte for byte."""

from __future__ import annotations

import pytest

from auditkit.result import read_result
from tests.golden.update import FOLDER, SAMPLES, texts


@pytest.mark.parametrize("name", SAMPLES)
def test_a_result_renders_to_its_golden_files(name: str) -> None:
    folder = FOLDER / name
    for file, text in texts(read_result(folder / "result.json")).items():
        golden = (folder / file).read_bytes().decode()
        assert text == golden, f"{file} changed; if that is wanted: python -m tests.golden.update"

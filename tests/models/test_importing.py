"""Mirrors auditkit/models/importing.py."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditkit.errors import ModelError
from auditkit.models.importing import current_folder_importable, imported, is_name


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine_of_this_test.py").write_text("class Holder:\n    number = 3\n")
    yield tmp_path
    sys.modules.pop("mine_of_this_test", None)


@pytest.mark.parametrize(
    ("text", "named"),
    [("net:build", True), ("a.b:C.d", True), ("net", False), ("a b:c", False), ("a:b:c", False)],
)
def test_names_have_one_colon(text: str, named: bool) -> None:
    assert is_name(text) == named


def test_attributes_of_attributes_are_found(folder: Path) -> None:
    with current_folder_importable():
        assert imported("mine_of_this_test:Holder.number") == 3
    assert str(folder) not in sys.path


def test_a_misspelt_module_names_the_file_that_was_meant(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"Did you mean 'mine_of_this_test'") as caught:
        imported("mien_of_this_test:Holder")
    assert "No module named 'mien_of_this_test'" in caught.value.message
    assert "mien_of_this_test.py" in caught.value.hint


def test_a_misspelt_attribute_says_what_there_is(folder: Path) -> None:
    with current_folder_importable(), pytest.raises(ModelError) as caught:
        imported("mine_of_this_test:Holdre", option="--arch")
    assert "--arch: mine_of_this_test has no Holdre. Did you mean 'Holder'?" in str(caught.value)
    assert caught.value.hint == "mine_of_this_test has Holder."

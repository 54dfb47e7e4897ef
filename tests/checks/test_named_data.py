"""Named data are read in the terms of the model, and messages name the option that was typed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from auditkit.checks.named_data import content_hash, named_data
from auditkit.errors import DataError
from tests.subjects import linear_subject


def test_what_does_not_fit_is_refused_in_the_words_of_the_option(tmp_path: Path) -> None:
    model = linear_subject(0).model
    file = tmp_path / "wide.npz"
    np.savez(file, x=np.zeros((3, 1, 9, 9), np.float32), y=np.array([0, 1, 0]))
    with pytest.raises(DataError, match="--shift") as caught:
        named_data("--shift", str(file), (), model)
    assert "--data" not in str(caught.value) + (caught.value.hint or "")
    with pytest.raises(DataError, match="--train-data"):
        named_data("--train-data", str(tmp_path / "absent"), (), model)


def test_a_folder_is_known_by_names_and_contents(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "same", "renamed", "changed")]
    for folder, (name, text) in zip(
        folders, [("a", "x"), ("a", "x"), ("b", "x"), ("a", "y")], strict=True
    ):
        folder.mkdir()
        (folder / name).write_text(text)
    one, same, renamed, changed = (content_hash(str(folder)) for folder in folders)
    assert one == same
    assert len({one, renamed, changed}) == 3
    assert content_hash("digits") == "digits"

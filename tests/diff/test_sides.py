"""Mirrors auditkit/diff/sides.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from auditkit.diff import sides
from auditkit.diff.sides import load
from auditkit.errors import ResultError
from tests.diff.sample import CHECK, accurate, answers, outcome, share, write


def test_columns_are_read_by_check(tmp_path: Path) -> None:
    side = load(accurate(tmp_path, 30, [4]))
    assert set(side.of(CHECK)) == {"correct", "predicted"}
    assert side.ids[4] == "i0004"
    assert not side.of(CHECK)["correct"][4]
    assert side.missing == ""


def test_records_are_looked_for_beside_the_result_alone(tmp_path: Path) -> None:
    folder = accurate(tmp_path / "a", 30, [])
    (tmp_path / "records.parquet").write_bytes((folder / "records.parquet").read_bytes())
    text = (folder / "result.json").read_text().replace('"records.parquet"', '"../records.parquet"')
    (folder / "result.json").write_text(text)
    (folder / "records.parquet").unlink()
    assert "is missing" in load(folder).missing


def test_ids_that_stand_twice_pair_nothing(tmp_path: Path) -> None:
    columns = answers(30, []) | {"id": ["same"] * 30}
    side = load(write(tmp_path, [outcome(share("accuracy", np.ones(30, bool)))], columns))
    assert "unique ids" in side.missing


def test_records_that_unpack_too_large_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sides, "MOST_UNPACKED", 100)
    assert "larger" in load(accurate(tmp_path, 30, [])).missing


def test_a_result_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultError):
        load(tmp_path / "nothing")

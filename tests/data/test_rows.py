"""Mirrors auditkit/data/rows.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from auditkit.data.dataset import Dataset
from auditkit.data.rows import load_rows
from auditkit.errors import AuditkitError, ConfigError, DataError
from tests.data.models import SCHEMA, table_model

TABLE = "id,wage,age,site,work,label\nr1,1.5,39,A,Private,yes\nr2,,50,B,?,no\n"


def load(file: Path, **options: Any) -> Dataset:
    return load_rows(file, table_model(), split="test", **options)


def written(folder: Path, content: str, name: str = "people.csv") -> Path:
    file = folder / name
    file.write_text(content, encoding="utf-8")
    return file


def expect(file: Path, said: str, *, kind: type[AuditkitError] = DataError, **options: Any) -> None:
    with pytest.raises(kind, match=said):
        load(file, **options)


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    data = load(written(tmp_path, TABLE), sensitive=["site"])
    rows = data.read(slice(None))
    np.testing.assert_array_equal(rows, [[39, 1, 1.5], [50, np.nan, np.nan]])
    assert data.labels.tolist() == [1, 0]
    assert data.ids == ("r1", "r2")
    assert data.attributes.to_dict("list") == {"site": ["A", "B"]}
    assert (data.name, data.modality, data.sensitive) == ("people.csv", "tabular", ("site",))
    assert data.schema is SCHEMA


def test_without_groups_slices_are_derived(tmp_path: Path) -> None:
    lines = "".join(f"{20 + i},Private,{i},{i % 2}\n" for i in range(8))
    data = load(written(tmp_path, "age,work,wage,label\n" + lines + "99,,3,1\n"))
    assert data.derived == ("unusualness", "missing values") == tuple(data.attributes)
    assert data.ids[:2] == ("1", "2")


def test_a_column_of_the_model_may_be_compared(tmp_path: Path) -> None:
    data = load(written(tmp_path, TABLE), sensitive=["work"])
    assert data.attributes["work"].tolist() == ["Private", "?"]


def test_the_label_column_can_be_named(tmp_path: Path) -> None:
    file = written(tmp_path, TABLE.replace("label", "paid"))
    assert load(file, columns=["paid"]).labels.tolist() == [1, 0]
    expect(file, "has no label column")
    expect(file, "has no column 'pay'", columns=["pay"])
    expect(file, "the label column alone", columns=["age", "paid"], kind=ConfigError)
    expect(file, "'age' is an input of model, not the label", columns=["age"])


def test_parquet_and_tabs(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"age": [39, 50], "work": ["Private", None], "wage": [1.5, np.nan], "target": [1, 0]}
    )
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    for name in ("a.parquet", "a.tsv"):
        data = load(tmp_path / name)
        np.testing.assert_array_equal(data.read(slice(None)), [[39, 1, 1.5], [50, np.nan, np.nan]])
        assert data.labels.tolist() == [1, 0]


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    expect(written(tmp_path, TABLE.replace("work", "job")), "lacks columns .* 'work'")
    expect(written(tmp_path, TABLE.replace("Private", "Army")), "row 1 has 'Army' in the column")
    expect(written(tmp_path, TABLE.replace("50", "fifty")), "row 2 has 'fifty' .* a number")
    expect(written(tmp_path, TABLE.replace(",no", ",")), "row 2 has no label")
    expect(written(tmp_path, TABLE.replace(",no", ",maybe")), "the label 'maybe'")
    expect(written(tmp_path, TABLE.partition("\n")[0] + "\n"), "holds no rows")


def test_missing_values_that_training_did_not_know_are_noted(tmp_path: Path) -> None:
    data = load(written(tmp_path, TABLE.replace("39", "")))
    assert data.notes == ("Values are missing in columns that were complete in training: age (1).",)


def test_the_label_column_may_be_absent_where_that_is_said(tmp_path: Path) -> None:
    file = written(tmp_path, TABLE)
    bare = written(
        tmp_path, TABLE.replace(",label", "").replace(",yes", "").replace(",no", ""), "b.csv"
    )
    assert load(file, unlabelled=True).labels.tolist() == load(file).labels.tolist()
    data = load(bare, unlabelled=True)
    assert data.labels.tolist() == [-1, -1]
    assert not data.labelled
    assert load(bare, unlabelled=True, columns=["approved"]).labels.tolist() == [-1, -1]
    expect(bare, "has no label column")

"""Mirrors auditkit/data/hints.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from auditkit.data.hints import as_read, hints_of
from auditkit.data.load import DataSpec
from auditkit.errors import DataError

TABLE = """age,wage,ok,job,sex,id,label
30,2.5,True,a,f,1,yes
40,,False,,m,2,no
25,0.1,True,b,f,3,yes
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "rows.csv"
    file.write_text(TABLE)
    return file


def test_a_table_tells_columns_and_classes(table: Path) -> None:
    hints = hints_of(DataSpec(source=str(table), sensitive=("sex",)))
    assert hints.modality == "tabular"
    assert hints.classes == ("no", "yes")
    assert hints.inputs == ("age", "wage", "ok", "job"), "who is compared is no input by default"
    assert hints.columns is not None
    kinds = {one.name: one.kind for one in hints.columns.features}
    assert kinds == {
        "age": "numeric",
        "wage": "numeric",
        "ok": "categorical",
        "job": "categorical",
        "sex": "categorical",
    }


def test_rows_come_back_as_pandas_would_read_them(table: Path) -> None:
    """Single precision in between changes nothing: 0.1 stays 0.1, True a truth value."""
    hints = hints_of(DataSpec(source=str(table)))
    assert hints.columns is not None
    read = pd.DataFrame(pd.read_csv(table)[list(hints.inputs)])
    held = hints.columns.rows(read)
    assert held.dtype == np.float32
    found = as_read(hints.columns, held)
    assert_frame_equal(found, read, check_dtype=False)
    assert found["ok"].dtype == bool
    assert found["age"].dtype == np.int64
    assert found["wage"].tolist()[2] == 0.1


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["b", "a", "b"], ("a", "b")),
        (["10", "2", "1"], ("1", "2", "10")),
        (["a", "a", "a"], None),
    ],
)
def test_classes_stand_in_the_order_of_names_or_numbers(
    tmp_path: Path, labels: list[str], classes: tuple[str, ...] | None
) -> None:
    file = tmp_path / "rows.csv"
    pd.DataFrame({"x": [1, 2, 3], "y": labels}).to_csv(file, index=False)
    assert hints_of(DataSpec(source=str(file))).classes == classes
    pd.DataFrame({"x": [1, 2, 3], "answer": labels}).to_csv(file, index=False)
    assert hints_of(DataSpec(source=str(file), columns=("answer",))).classes == classes


def test_words_for_missing_numbers_leave_a_column_numeric(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("x,y,label\n1,inf,a\n?,2,b\nNA,3,a\n")
    hints = hints_of(DataSpec(source=str(file)))
    assert hints.columns is not None
    assert [one.kind for one in hints.columns.features] == ["numeric", "categorical"]


@pytest.mark.parametrize(
    ("header", "columns", "modality"),
    [
        ("text,label", None, "text"),
        ("x,label", None, "tabular"),
        ("x,label", ("x", "label"), "text"),
    ],
)
def test_a_table_of_texts_is_told_from_one_of_rows(
    tmp_path: Path, header: str, columns: tuple[str, ...] | None, modality: str
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(f"{header}\n1,a\n2,b\n")
    assert hints_of(DataSpec(source=str(file), columns=columns)).modality == modality


def test_a_table_without_labels_is_refused_as_where_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("x,z\n1,a\n")
    with pytest.raises(DataError, match="has no label column") as caught:
        hints_of(DataSpec(source=str(file)))
    assert "--columns NAME" in caught.value.hint


def test_known_data_tell_what_they_hold() -> None:
    digits = hints_of(DataSpec(source="digits"))
    assert (digits.modality, digits.input_shape) == ("image", (1, 8, 8))
    assert digits.classes == tuple("0123456789")
    cancer = hints_of(DataSpec(source="breast-cancer"))
    assert cancer.classes == ("malignant", "benign")
    assert cancer.inputs[0] == "mean radius"
    assert hints_of(DataSpec(source="phrases")).modality == "text"


def test_what_is_not_there_tells_nothing(tmp_path: Path) -> None:
    hints = hints_of(DataSpec(source=str(tmp_path / "nowhere")))
    assert hints.modality is None

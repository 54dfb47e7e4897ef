"""Mirrors auditkit/data/schema.py."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit.data.schema import Feature, Schema
from auditkit.errors import DataError

FRAME = pd.DataFrame(
    {
        "age": [39, 50, 28],
        "wage": [1.5, np.nan, 2.5],
        "work": ["State", None, "Private"],
        "size": pd.Categorical(["s", "l", "s"], ["s", "m", "l"]),
        "old": [True, False, True],
    }
)


def test_columns_are_told_from_a_table() -> None:
    schema = Schema.of(FRAME, immutable=["age"])
    assert schema.names == tuple(FRAME)
    age, wage, work, size, old = schema.features
    assert (age.kind, age.integer, age.immutable, age.missing) == ("numeric", True, True, False)
    assert (age.low, age.high, age.mean) == (28, 50, 39)
    assert age.std == pytest.approx(FRAME["age"].std(ddof=0))
    assert (wage.integer, wage.missing, wage.mean) == (False, True, 2)
    assert (work.categories, work.missing) == (("Private", "State"), True)
    assert size.categories == ("s", "m", "l"), "pandas' own order is kept"
    assert old.categories == ("False", "True")


def test_a_table_becomes_rows_and_rows_a_table() -> None:
    schema = Schema.of(FRAME)
    rows = schema.rows(FRAME)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(
        rows, [[39, 1.5, 1, 0, 1], [50, np.nan, np.nan, 2, 0], [28, 2.5, 0, 0, 1]]
    )
    again = schema.frame(rows)
    assert again["work"].tolist()[::2] == ["State", "Private"]
    assert again["work"].isna().tolist() == [False, True, False]
    np.testing.assert_array_equal(schema.rows(again), rows)


def test_the_order_of_columns_and_further_ones_do_not_matter() -> None:
    schema = Schema.of(FRAME)
    other = FRAME[["old", "work", "age", "size", "wage"]].assign(label=1)
    np.testing.assert_array_equal(schema.rows(other), schema.rows(FRAME))


@given(
    numbers=st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6, width=32)), min_size=1, max_size=9),
    words=st.lists(st.one_of(st.none(), st.text("abc1", min_size=1)), min_size=1, max_size=9),
)
def test_texts_of_cells_are_read_back(numbers: list[float | None], words: list[str | None]) -> None:
    """A file holds texts alone: what pandas would write comes back."""
    n = min(len(numbers), len(words))
    known = tuple(sorted({one for one in words if one})) or ("x",)
    schema = Schema((Feature(name="x"), Feature(name="word", kind="categorical", categories=known)))
    frame = pd.DataFrame(
        {
            "x": ["" if one is None else repr(one) for one in numbers[:n]],
            "word": ["" if one is None else one for one in words[:n]],
        }
    )
    rows = schema.rows(frame)
    for row, number, word in zip(rows, numbers, words, strict=False):
        assert math.isnan(row[0]) if number is None else row[0] == np.float32(number)
        assert math.isnan(row[1]) if word is None else known[int(row[1])] == word


@pytest.mark.parametrize("cell", ["", "?", "NA", "nan", " ", None, np.nan])
def test_signs_of_a_missing_value(cell: object) -> None:
    schema = Schema.of(FRAME.loc[:, ["age", "work"]])
    assert np.isnan(schema.rows(pd.DataFrame({"age": [cell], "work": [cell]}))).all()


def test_a_category_may_be_called_like_a_missing_value() -> None:
    feature = Feature(name="state", kind="categorical", categories=("NA", "CA"))
    assert Schema((feature,)).rows(pd.DataFrame({"state": ["NA", "CA", ""]}))[0, 0] == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"age": ["39", "old", "3"]}, r"a.csv: row 2 has 'old' in the column 'age', .* a number"),
        ({"age": ["39", "inf", "3"]}, "row 2 has 'inf'"),
        (
            {"work": ["State", "Privat", None]},
            r"row 2 has 'Privat' .* does not know; it knows 'Private', 'State'.* mean 'Private'\?",
        ),
        ({"work": ["State", "State", "x" * 99]}, r"row 3 has 'x{40}' in"),
    ],
)
def test_what_cannot_be_read_names_row_and_column(change: dict[str, list], said: str) -> None:
    schema = Schema.of(FRAME)
    with pytest.raises(DataError, match=said):
        schema.rows(FRAME.assign(**change), where="a.csv")


def test_missing_columns_are_named() -> None:
    schema = Schema.of(FRAME)
    with pytest.raises(DataError, match=r"a.csv lacks .* 'wage', 'old'.* mean 'wages'\?") as caught:
        schema.rows(FRAME.rename(columns={"wage": "wages"}).drop(columns="old"), where="a.csv")
    assert "age, wage, work" in caught.value.hint


def test_impossible_columns_are_refused() -> None:
    wrongs: list[dict[str, Any]] = [
        {"kind": "categorical"},
        {"categories": ("a",)},
        {"kind": "categorical", "categories": ("a", "a")},
        {"std": 0.0},
        {"mean": math.nan},
        {"low": math.inf},
    ]
    for wrong in wrongs:
        with pytest.raises(DataError):
            Feature(name="x", **wrong)
    with pytest.raises(DataError, match="at least one"):
        Schema(())
    with pytest.raises(DataError, match="Two columns are called 'x'"):
        Schema((Feature(name="x"), Feature(name="x")))
    with pytest.raises(DataError, match="no column 'agee'"):
        Schema.of(FRAME, immutable=["agee"])
    with pytest.raises(DataError, match="holds nothing"):
        Schema.of(pd.DataFrame({"x": [None, ""]}))


def test_statistics_are_of_known_values_and_a_constant_stays_constant() -> None:
    feature = Feature(name="x").fitted(np.array([2.0, np.nan, 2.0], np.float32))
    assert (feature.mean, feature.std, feature.missing, feature.low) == (2, 1, True, 2)
    assert Feature(name="x").fitted(np.array([np.nan])).low is None


def test_rows_in_words() -> None:
    schema = Schema.of(FRAME)
    words = "age 50, wage (missing), work (missing), size l, old False"
    assert schema.in_words(schema.rows(FRAME)[1]) == words
    assert Feature(name="x").in_words(0.123456) == "0.1235"


def test_the_same_values_mean_the_same() -> None:
    schema = Schema.of(FRAME)
    fitted = Schema(tuple(replace(one, missing=True) for one in schema.features))
    assert schema.same_values(fitted)
    assert not schema.same_values(Schema(schema.features[::-1]))
    assert not schema.same_values(Schema(schema.features[1:]))

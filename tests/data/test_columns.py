"""Mirrors auditkit/data/columns.py."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditkit.data.columns import (
    MISSING,
    MOST_GROUPS,
    MOST_NUMBERS,
    groups_of,
    require_sensitive,
)
from auditkit.errors import DataError


def groups(column: list[object], *, sensitive: bool = False) -> list[str] | None:
    frame = pd.DataFrame({"age": column})
    found = groups_of(frame, sensitive=["age"] if sensitive else [], where="x").attributes
    return found["age"].tolist() if "age" in found else None


def test_values_become_names() -> None:
    assert groups(["old", None, " young ", ""]) == ["old", MISSING, "young", MISSING]
    assert groups([1, 2, 2]) == ["1", "2", "2"]
    assert groups([1.0, np.nan, 2.5]) == ["1", MISSING, "2.5"]  # whole numbers stay whole
    assert groups([True, False]) == ["True", "False"]
    assert groups([pd.NaT, pd.Timestamp("2020-01-02")]) == [MISSING, "2020-01-02 00:00:00"]


def test_what_makes_no_slice_is_left_out_and_said() -> None:
    n = MOST_GROUPS + 1
    frame = pd.DataFrame(
        {"name": [f"n{i}" for i in range(n)], "same": "x", "two": ["a"] + ["b"] * (n - 1)}
    )
    found = groups_of(frame, sensitive=[], where="x")
    assert list(found.attributes) == ["two"]
    assert found.notes == (
        "Columns that make no slices were left out: name (51 values), same (one value). Name one"
        " with --sensitive to use it all the same.",
    )
    asked = groups_of(frame, sensitive=["name", "same"], where="x")
    assert asked.attributes["name"].tolist() == frame["name"].tolist()
    assert set(asked.attributes["same"]) == {"x"}
    exactly = [str(i % MOST_GROUPS) for i in range(200)]
    assert groups(list(exactly)) == exactly


def holds(name: str, value: float) -> bool:
    number = r"(-?[\d.e+-]+)"
    if match := re.fullmatch(f"< {number}", name):
        return value < float(match[1])
    if match := re.fullmatch(f">= {number}", name):
        return value >= float(match[1])
    match = re.fullmatch(f"{number} to < {number}", name)
    assert match
    return float(match[1]) <= value < float(match[2])


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    values=st.lists(
        st.floats(-1e4, 1e4, width=32), min_size=MOST_NUMBERS + 1, max_size=90, unique=True
    ),
    as_text=st.booleans(),
)
def test_quarters_are_named_by_the_edges_that_are_used(values: list[float], as_text: bool) -> None:
    column: list[object] = [repr(one) if as_text else one for one in values]
    names = groups([*column, None], sensitive=True)
    assert names is not None
    assert names[-1] == MISSING
    assert all(holds(name, value) for name, value in zip(names, values, strict=False))
    assert len(set(names) - {MISSING}) <= 4


def test_quarters_are_equal() -> None:
    names = groups([*range(100)], sensitive=True)
    assert names is not None
    sizes = {name: names.count(name) for name in dict.fromkeys(names)}
    assert sizes == {
        "< 24.75": 25, "24.75 to < 49.5": 25, "49.5 to < 74.25": 25, ">= 74.25": 25,
    }  # fmt: skip


def test_few_numbers_stay_apart_and_many_are_cut_and_noted() -> None:
    codes = [str(i % MOST_NUMBERS) for i in range(100)]
    assert groups(list(codes), sensitive=True) == codes
    ages = pd.DataFrame({"age": [18 + i % 48 for i in range(96)]})
    found = groups_of(ages, sensitive=["age"], where="x")
    assert set(found.attributes["age"]) == {
        "< 29.75", "29.75 to < 41.5", "41.5 to < 53.25", ">= 53.25"
    }  # fmt: skip
    assert "cut into quarters, whose names state the edges: age." in found.notes[0]
    names = pd.DataFrame({"age": [f"area {i}" for i in range(48)]})
    assert groups_of(names, sensitive=["age"], where="x").notes == ()


def test_a_missing_sensitive_column_is_named() -> None:
    frame = pd.DataFrame({"gender": ["a", "b"]})
    with pytest.raises(DataError, match=r"x.csv has no column 'gendre'.*Did you mean 'gender'\?"):
        groups_of(frame, sensitive=["gendre"], where="x.csv")
    with pytest.raises(DataError, match="it has none"):
        require_sensitive(["age"], [], where="pictures")
    with pytest.raises(DataError) as several:
        require_sensitive(["sex, age group"], ["sex", "age group"], where="x.csv")
    assert several.value.hint == (
        "Name every column by itself: --sensitive sex --sensitive 'age group'"
    )

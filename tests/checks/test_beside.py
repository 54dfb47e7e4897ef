"""Mirrors auditkit/checks/beside.py."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.checks.base import Records
from auditkit.checks.beside import Beside, merged_by_name, packed_beside, unpacked_beside


def of(*ids: str) -> Beside:
    numbers = np.array([float(one) for one in ids])
    return Beside(tuple(ids), {"x": numbers, "row": np.stack([numbers, -numbers], axis=1)}, ("n",))


def test_shards_are_merged_by_name_and_in_order_whatever_the_grouping() -> None:
    parts = [{"a": of("1"), "b": of("9")}, {"b": of("8", "7")}, {"a": of("2"), "c": of("5")}]
    whole = merged_by_name(parts)
    assert {name: one.ids for name, one in whole.items()} == {
        "a": ("1", "2"), "b": ("9", "8", "7"), "c": ("5",),
    }  # fmt: skip
    assert whole["b"]["row"].tolist() == [[9, -9], [8, -8], [7, -7]]
    nested = merged_by_name([merged_by_name(parts[:2]), parts[2]])
    assert {name: one.ids for name, one in nested.items()} == {
        name: one.ids for name, one in whole.items()
    }


def test_records_keep_them_when_merged() -> None:
    parts = [
        Records([str(i)], x=np.array([i])).with_beside({"spring": of(str(i))}) for i in range(3)
    ]
    merged = Records.merged(parts)
    assert merged.beside["spring"].ids == ("0", "1", "2")
    assert merged["x"].tolist() == [0, 1, 2]
    assert Records.merged([Records(["a"])]).beside == {}


def test_packing_loses_nothing() -> None:
    beside = {"a/b": of("1", "2"), "": of("3")}
    again = unpacked_beside(packed_beside(beside))
    assert list(again) == list(beside)
    for name, one in beside.items():
        assert (again[name].ids, again[name].notes) == (one.ids, one.notes)
        assert np.array_equal(again[name]["row"], one["row"])
    assert unpacked_beside(packed_beside({})) == {}


def test_a_column_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="2 rows, not 1"):
        Beside(("a",), {"x": np.zeros(2)})

"""Mirrors auditkit/findings.py."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from auditkit.findings import Finding, Table, finding_id


@pytest.mark.parametrize(
    ("slice_name", "swept", "expected"),
    [
        ("all", {"epsilon": 0.1}, "c/m/all/epsilon=0.1"),
        ("all", {"epsilon": 1.0}, "c/m/all/epsilon=1"),
        ("all", {"b": 2, "a": "x/y"}, "c/m/all/a=x%2Fy,b=2"),
        ("age=30-40 / old", {}, "c/m/age=30-40%20%2F%20old"),
        ("all", {"epsilon": 8 / 255}, "c/m/all/epsilon=0.03137254901960784"),
    ],
)
def test_ids(slice_name: str, swept: dict, expected: str) -> None:
    assert finding_id("c", "m", slice_name, swept) == expected


def whole(**changes: object) -> dict[str, object]:
    kept: dict[str, object] = {
        "id": "c/m/all",
        "metric": "m",
        "value": 0.5,
        "unit": "share",
        "n": 10,
        "low": 0.2,
        "high": 0.8,
        "level": 0.95,
        "interval": "clopper-pearson",
        "better": "higher",
    }
    return {**kept, **changes}


@pytest.mark.parametrize(
    "changes",
    [
        {"value": None},
        {"undefined": "both a value and a reason against it"},
        {"low": None},
        {"low": 0.9},
        {"value": float("nan")},
        {"grade": "A"},
    ],
)
def test_a_finding_that_contradicts_itself_cannot_exist(changes: dict[str, object]) -> None:
    Finding.model_validate(whole())
    with pytest.raises(ValidationError):
        Finding.model_validate(whole(**changes))


def test_units_of_a_table_are_of_its_columns() -> None:
    with pytest.raises(ValidationError, match="acuracy"):
        Table(title="t", columns=["accuracy"], rows=[], units={"share": ["acuracy"]})

"""Mirrors auditkit/render/csv.py and rows.py."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest

from auditkit.render.csv import render_csv
from auditkit.render.rows import COLUMNS
from tests.render.hostile import hostile
from tests.render.sample import image_result, text_result


@pytest.mark.parametrize("make", [image_result, text_result])
def test_each_finding_is_a_row_with_its_numbers(make) -> None:
    result = make()
    table = pd.read_csv(io.StringIO(render_csv(result)))
    assert list(table.columns) == list(COLUMNS)
    findings = [finding for one in result.outcomes for finding in one.findings]
    assert table["finding"].tolist() == [one.id for one in findings]
    assert table["n"].tolist() == [one.n for one in findings]
    for name in ("value", "low", "high"):
        shown = [None if x != x else x for x in table[name].tolist()]
        assert shown == [getattr(one, name) for one in findings], "undefined is empty, never 0"


def test_limits_and_what_they_said_stand_beside_the_finding() -> None:
    rows = list(csv.DictReader(io.StringIO(render_csv(image_result()))))
    by_id = {row["finding"]: row for row in rows}
    failed = by_id["pgd-linf/robust_accuracy/all/epsilon=0.1"]
    assert (failed["status"], failed["limits"]) == ("fail", "robust_accuracy >= 0.5")
    assert failed["parameters"] == "epsilon=0.1"
    assert by_id["calibration-error/ece/all"]["status"] == "waived"
    assert sum(row["status"] != "" for row in rows) == 4


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@x"])
def test_a_text_is_no_formula_and_a_negative_number_stays_one(start: str) -> None:
    plain = image_result()
    model = plain.model.model_copy(update={"name": start})
    finding = plain.outcomes[0].findings[0].model_copy(update={"value": -0.5})
    outcome = plain.outcomes[0].model_copy(update={"findings": [finding]})
    text = render_csv(plain.model_copy(update={"model": model, "outcomes": [outcome]}))
    [row] = csv.DictReader(io.StringIO(text))
    assert row["model"] == f"'{start}"
    assert row["value"] == "-0.5"


def test_hostile_names_make_no_more_rows_or_columns() -> None:
    rows = list(csv.reader(io.StringIO(render_csv(hostile(image_result())))))
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert len(rows) == len(list(csv.reader(io.StringIO(render_csv(image_result())))))

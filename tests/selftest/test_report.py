"""Mirrors auditkit/selftest/report.py."""

from __future__ import annotations

import json

import pytest

from auditkit.selftest.bench import run_bench
from auditkit.selftest.report import Count, Held, to_json
from auditkit.statistics import clopper_pearson
from tests.selftest.stubs import NOWHERE, flaw, limits


@pytest.mark.parametrize(("count", "n"), [(0, 5), (3, 5), (5, 5)])
def test_a_count_has_the_exact_interval(count: int, n: int) -> None:
    one = Count(count=count, n=n)
    assert (one.low, one.high) == clopper_pearson(count, n)


def test_the_json_holds_the_whole_table() -> None:
    table = run_bench([flaw(), flaw("other")], (0, 1), NOWHERE, limits=limits())
    text = to_json(table)
    content = json.loads(text)
    assert text == to_json(table)
    assert content["schema"] == 1
    assert content["seeds"] == [0, 1]
    first, second = content["rows"]
    assert first["caught"]["count"] == 2
    assert first["caught"]["low"] == pytest.approx(clopper_pearson(2, 2).low)
    assert first["trials"][0]["flawed"]["status"] == "fail"
    assert first["trials"][0]["flawed"]["judgements"][0]["finding"] == "clean-accuracy/accuracy/all"
    assert second["standing"] == "no check"
    assert second["trials"][0]["flawed"]["status"] is None


def test_an_unknown_symptom_is_left_out_of_the_mean() -> None:
    row = run_bench([flaw(untrained=[1])], (0, 1), NOWHERE, limits={}).rows[0]
    assert row.mean_symptom("flawed") == 0.6
    empty = row.model_copy(
        update={
            "trials": [
                one.model_copy(update={"flawed": Held(), "sound": Held()}) for one in row.trials
            ]
        }
    )
    assert empty.mean_symptom("flawed") is None

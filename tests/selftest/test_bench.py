"""Mirrors auditkit/selftest/bench.py."""

from __future__ import annotations

import pytest

from auditkit.errors import ModelError
from auditkit.selftest.bench import QUICK_SEEDS, SEEDS, TUNING_SEEDS, run_bench
from auditkit.selftest.report import Row
from auditkit.statistics import clopper_pearson
from tests.selftest.stubs import NOWHERE, flaw, limits

FIVE = (0, 1, 2, 3, 4)


def counts(row: Row) -> dict[str, int]:
    names = ("caught", "missed", "undecided", "cried_wolf", "unsure")
    return {name: getattr(row, name).count for name in names}


def test_a_flaw_that_is_told_from_its_twin_is_green() -> None:
    table = run_bench([flaw()], FIVE, NOWHERE, limits=limits())
    (row,) = table.rows
    assert row.standing == "green"
    assert table.exit_code == 0
    assert counts(row) == {"caught": 5, "missed": 0, "undecided": 0, "cried_wolf": 0, "unsure": 0}
    assert (row.caught.low, row.caught.high) == clopper_pearson(5, 5)
    assert (row.cried_wolf.low, row.cried_wolf.high) == clopper_pearson(0, 5)
    assert [one.seed for one in row.trials] == list(FIVE)
    assert row.mean_symptom("flawed") == 0.6
    assert row.mean_symptom("sound") == 0.0


def test_a_detector_that_sees_nothing_turns_the_table_red() -> None:
    table = run_bench([flaw()], FIVE, NOWHERE, limits=limits(least=0.0))
    assert table.exit_code == 1
    assert table.rows[0].standing == "red"
    assert counts(table.rows[0])["missed"] == 5
    assert "stub.one" in table.sentence


def test_a_detector_that_always_cries_turns_the_table_red() -> None:
    table = run_bench([flaw(sound=30)], FIVE, NOWHERE, limits=limits(least=0.95))
    assert table.exit_code == 1
    assert counts(table.rows[0]) == {
        "caught": 5, "missed": 0, "undecided": 0, "cried_wolf": 5, "unsure": 0,
    }  # fmt: skip


def test_what_is_not_decided_is_neither_caught_nor_cried() -> None:
    """An accuracy of 0.78 has an interval that holds 0.8."""
    table = run_bench([flaw(flawed=22, sound=18)], FIVE, NOWHERE, limits=limits())
    assert table.exit_code == 1
    assert counts(table.rows[0]) == {
        "caught": 0, "missed": 0, "undecided": 5, "cried_wolf": 0, "unsure": 5,
    }  # fmt: skip


def test_one_red_row_is_enough_and_the_others_stay_green() -> None:
    flaws = [flaw("first"), flaw("second", flawed=0), flaw("third")]
    table = run_bench(flaws, FIVE, NOWHERE, limits=limits("first", "second", "third"))
    assert [one.standing for one in table.rows] == ["green", "red", "green"]
    assert table.exit_code == 1
    assert "1 of 3" in table.sentence


def test_without_a_check_a_flaw_is_missed_and_the_exit_code_stays() -> None:
    table = run_bench([flaw(), flaw("other")], FIVE, NOWHERE, limits=limits())
    row = table.rows[1]
    assert row.standing == "no check"
    assert counts(row)["missed"] == 5
    assert row.mean_symptom("flawed") == 0.6  # the flaw is there all the same
    assert table.exit_code == 0
    assert "1 more no check" in table.sentence


def test_an_untrained_network_stops_what_can_be_checked_alone() -> None:
    with pytest.raises(ModelError, match="was not trained"):
        run_bench([flaw(untrained=[3])], FIVE, NOWHERE, limits=limits())
    row = run_bench([flaw(untrained=[3])], FIVE, NOWHERE, limits={}).rows[0]
    assert row.standing == "no check"
    assert row.trials[3].flawed.symptom is None
    assert row.missed.count == 5


def test_says_what_it_does() -> None:
    lines: list[str] = []
    run_bench([flaw()], (0, 1), NOWHERE, limits=limits(), told=lines.append)
    assert lines == ["stub.one, seed 0", "stub.one, seed 1"]


def test_seeds_that_chose_a_limit_are_never_counted() -> None:
    assert not {*TUNING_SEEDS} & {*SEEDS}
    assert {*QUICK_SEEDS} < {*SEEDS}

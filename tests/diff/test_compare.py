"""Mirrors auditkit/diff/compare.py."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auditkit.diff.compare import compare
from auditkit.diff.report import Change, Diff
from auditkit.errors import ResultError
from auditkit.policy import Limit, Policy
from auditkit.statistics import binomial_p_above, newcombe, newcombe_paired
from tests.diff.sample import CHECK, accurate, answers, mean, outcome, share, write

TODAY = date(2026, 1, 15)
ACCURACY = f"{CHECK}/accuracy/all"


def diff(before: Path, after: Path, policy: Policy | None = None, **more: Any) -> Diff:
    return compare(before, after, policy=policy or Policy(), today=TODAY, **more)


def change(found: Diff, finding: str = ACCURACY) -> Change:
    return next(one for one in found.changes if one.finding == finding)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return accurate(tmp_path_factory.mktemp("good"), 200, [0, 1])


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return accurate(tmp_path_factory.mktemp("bad"), 200, range(1, 41))


def test_a_share_is_paired_by_input(good: Path, bad: Path) -> None:
    one = change(diff(good, bad))
    assert (one.before, one.after) == (0.99, 0.8)
    assert one.difference == pytest.approx(-0.19)
    # both right 159, only now right 1 (row 0), only before right 39, neither 1 (row 1)
    assert (one.low, one.high) == newcombe_paired(159, 1, 39, 1)
    assert (one.interval, one.paired, one.n) == ("newcombe-paired", True, 200)
    recall = change(diff(good, bad), f"{CHECK}/recall/class=dog")
    assert recall.paired
    assert recall.n == 100


def test_the_order_of_the_records_does_not_matter(tmp_path: Path, good: Path, bad: Path) -> None:
    columns = answers(200, range(1, 41))
    turned = {name: np.asarray(one)[::-1] for name, one in columns.items()}
    correct = turned[f"{CHECK}/correct"]
    other = write(tmp_path / "turned", [outcome(share("accuracy", correct))], turned)
    mine, theirs = change(diff(good, other)), change(diff(good, bad))
    assert (mine.low, mine.high) == (theirs.low, theirs.high)


def test_a_real_loss_is_a_regression_and_a_gain_is_none(good: Path, bad: Path) -> None:
    worse, better, same = diff(good, bad), diff(bad, good), diff(good, good)
    assert (worse.status, worse.exit_code) == ("regression", 1)
    assert change(worse).standing == "regressed"
    assert (better.status, better.exit_code) == ("no_regression", 0)
    assert change(better).direction == "better"
    assert (same.status, same.exit_code) == ("no_regression", 0)


def test_a_tolerance_allows_what_lies_within_it(good: Path, bad: Path) -> None:
    low = -(change(diff(good, bad)).high or 0)  # the least that was surely lost
    assert diff(good, bad, tolerance=low - 0.01).exit_code == 1
    assert diff(good, bad, tolerance=low + 0.01).exit_code == 0


def test_a_limit_on_a_drop_is_the_tolerance_of_what_it_names(good: Path, bad: Path) -> None:
    limit = Limit(finding=ACCURACY, max_drop_against=0.5)
    found = diff(good, bad, Policy(limits=(limit,)))
    assert change(found).tolerance == 0.5
    assert found.exit_code == 0


def test_many_judged_findings_are_held_against_holm(tmp_path: Path) -> None:
    """A loss that is sure on its own is not sure among twenty; without company it is."""
    lost = range(6)  # McNemar: 6 lost, none gained
    before, after = answers(200, []), answers(200, lost)
    checks = [f"extra-{k}" for k in range(19)]

    def result(name: str, columns: dict[str, Any], extra: list[str]) -> Path:
        correct = columns[f"{CHECK}/correct"]
        own = [outcome(share("accuracy", correct))]
        for one in extra:
            columns = columns | {f"{one}/accuracy": np.ones(200, dtype=bool)}
            own.append(outcome(share("accuracy", np.ones(200, bool), check=one), check=one))
        return write(tmp_path / name, own, columns)

    alone = diff(result("a", before, []), result("b", after, []))
    among = diff(result("c", before, checks), result("d", after, checks))
    assert change(alone).standing == "regressed"
    assert change(among).standing == "held"
    assert change(among).direction == "worse"
    assert among.exit_code == 0


def test_what_is_not_better_higher_or_lower_is_never_judged(tmp_path: Path) -> None:
    sides = [
        write(
            tmp_path / name,
            [outcome(share("rate", columns[f"{CHECK}/correct"], better="neither"))],
            columns,
        )
        for name, columns in (("a", answers(100, [])), ("b", answers(100, range(60))))
    ]
    found = diff(sides[0], sides[1])
    assert found.changes[0].standing is None
    assert found.changes[0].direction == "unclear" or found.changes[0].direction == "other"
    assert found.exit_code == 3  # nothing at all was judged


def test_means_are_paired_by_bootstrap_which_sees_a_small_shift(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.exponential(size=150)
    shifted = values + 0.02 + 0.01 * rng.standard_normal(150)
    sides = [
        write(
            tmp_path / name, [outcome(mean("nll", one))], answers(150, []) | {f"{CHECK}/nll": one}
        )
        for name, one in (("a", values), ("b", shifted))
    ]
    one = change(diff(sides[0], sides[1]), f"{CHECK}/nll/all")
    assert one.interval == "bootstrap-paired"
    assert one.difference == pytest.approx(float((shifted - values).mean()))
    assert one.low is not None
    assert one.low > 0.015  # unpaired it would be plus or minus 0.2
    assert one.standing == "regressed"


def test_without_records_the_difference_is_unpaired_and_says_so(tmp_path: Path) -> None:
    a, b = np.arange(100) < 90, np.arange(100) < 70
    sides = [
        write(tmp_path / name, [outcome(share("accuracy", one))])
        for name, one in (("a", a), ("b", b))
    ]
    found = diff(sides[0], sides[1])
    one = change(found)
    assert (one.low, one.high) == newcombe(70, 100, 90, 100)
    assert not one.paired
    assert found.flips is None
    assert "no records" in found.why_no_flips


def test_altered_records_are_not_used(tmp_path: Path, good: Path) -> None:
    other = accurate(tmp_path / "b", 200, range(30))
    records = other / "records.parquet"
    records.write_bytes(records.read_bytes() + b" ")
    found = diff(good, other)
    assert not change(found).paired
    assert "its hash differs" in found.why_no_flips


def test_other_data_is_refused_and_says_what_differs(tmp_path: Path, good: Path) -> None:
    other = accurate(tmp_path / "b", 200, range(30), data="e" * 64)
    with pytest.raises(ResultError, match=r"different data.*dddddddddddd.*eeeeeeeeeeee") as error:
        diff(good, other)
    assert "--allow-different-data" in error.value.hint
    found = diff(good, other, allow_different_data=True)
    assert not change(found).paired
    assert found.flips is None
    assert any("independent samples" in one for one in found.notes)


def test_other_classes_are_refused(tmp_path: Path, good: Path) -> None:
    other = accurate(tmp_path / "b", 200, [], classes=("cat", "cow"))
    with pytest.raises(ResultError, match="classes differ"):
        diff(good, other, allow_different_data=True)


def test_a_check_of_another_version_is_refused_alone(tmp_path: Path) -> None:
    columns = answers(100, []) | {"b/accuracy": np.ones(100, bool)}
    ones = np.ones(100, bool)
    sides = [
        write(
            tmp_path / name,
            [
                outcome(share("accuracy", ones)),
                outcome(share("accuracy", ones, check="b"), check="b", version=version),
            ],
            columns,
        )
        for name, version in (("x", 1), ("y", 2))
    ]
    found = diff(sides[0], sides[1])
    assert [one.check for one in found.changes] == [CHECK]
    (said,) = found.refused
    assert said.startswith("b: measures differently since: version 1 before, 2 after")
    assert found.exit_code == 3
    assert "b" in found.sentence


def test_other_settings_are_another_measurement(tmp_path: Path) -> None:
    columns = answers(100, [])
    ones = np.ones(100, bool)
    sides = [
        write(tmp_path / name, [outcome(share("accuracy", ones, fixed={"steps": steps}))], columns)
        for name, steps in (("a", 20), ("b", 40))
    ]
    found = diff(sides[0], sides[1])
    assert change(found).why == "the settings differ: steps 20 before, 40 after"
    assert change(found).standing == "open"
    assert found.exit_code == 3


def test_a_finding_that_became_undefined_is_not_passed_over(tmp_path: Path, good: Path) -> None:
    gone = share("accuracy", np.ones(200, bool)).model_copy(
        update={"value": None, "low": None, "high": None, "undefined": "it broke"}
    )
    found = diff(good, write(tmp_path / "b", [outcome(gone)], answers(200, [])))
    assert change(found).standing == "open"
    assert found.exit_code == 3


def test_limits_are_new_persisting_or_fixed(good: Path, bad: Path) -> None:
    policy = Policy(limits=(Limit(finding=ACCURACY, min=0.95), Limit(finding=ACCURACY, min=0.999)))
    assert [one.move for one in diff(good, bad, policy).moves] == ["new", "new"]
    assert [one.move for one in diff(bad, bad, policy).moves] == ["persisting", "persisting"]
    back = diff(bad, good, policy).moves
    told = [(one.move, one.before, one.after) for one in back]
    assert told == [("fixed", "fail", "pass"), ("closed", "fail", "incomplete")]


def test_the_json_is_read_back(good: Path, bad: Path) -> None:
    from auditkit.diff.report import to_json

    found = diff(good, bad)
    assert Diff.model_validate(json.loads(to_json(found))) == found


@pytest.mark.slow
def test_models_that_are_equally_good_raise_no_more_alarms_than_stated(tmp_path: Path) -> None:
    """500 pairs of models that err at random alike, three judged findings: at most 2.5 % alarms."""
    rng = np.random.default_rng(0)
    checks, alarms, n, repetitions = ("a", "b", "c"), 0, 200, 500
    ids = [f"i{k:04d}" for k in range(n)]
    for _ in range(repetitions):
        hard = rng.random((3, n)) < 0.3  # what both find hard, they get wrong half the time
        sides: list[Path] = []
        for name in ("x", "y"):
            right = ~(hard & (rng.random((3, n)) < 0.5))
            columns = {"id": ids, "label": ["cat"] * n}
            columns |= {f"{c}/correct": one for c, one in zip(checks, right, strict=True)}
            found = [
                outcome(share("accuracy", one, check=c), check=c)
                for c, one in zip(checks, right, strict=True)
            ]
            sides.append(write(tmp_path / name, found, columns))
        alarms += diff(sides[0], sides[1]).exit_code == 1
    assert binomial_p_above(alarms, repetitions, 0.025) > 0.01, alarms

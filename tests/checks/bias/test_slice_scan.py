"""Mirrors auditkit/checks/bias/slice_scan.py and its search."""

from __future__ import annotations

import dataclasses
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from auditkit.checks.base import Measured, NotApplicable, Records
from auditkit.checks.bias._slices import Coded, binned, columns_of, inside, search
from auditkit.checks.bias.slice_scan import SliceScan
from auditkit.data.dataset import InMemory
from auditkit.data.schema import Feature, Schema
from auditkit.errors import ConfigError
from auditkit.findings import Finding, ImageExhibit, Note, Table
from auditkit.models.classifier import ImageClassifier
from auditkit.models.tabular import TabularClassifier
from auditkit.statistics import newcombe
from tests.checks.bias.test_group_gap import written
from tests.subjects import Subject, image_data, linear_subject, measured, plain_data, run_check

CHECK = SliceScan()
REVEALS = "worst_gap"


def planted(bad: float, *, n: int = 800, seed: int = 0, mondays: float = 0.1) -> Subject:
    """Wrong on 10 %, on `bad` of those with site=b and device=y, and on a share of day=m."""
    rng = np.random.default_rng(seed)
    site, device, day = (rng.choice(list(names), size=n) for names in ("abc", "xyz", "mtw"))
    rate = np.where((site == "b") & (device == "y"), bad, np.where(day == "m", mondays, 0.1))
    labels = rng.integers(0, 2, size=n)
    predicted = np.where(rng.random(n) < rate, 1 - labels, labels)
    return written(labels, predicted, site=site, device=device, day=day)


def broken() -> Subject:
    return planted(0.6)


def sound() -> Subject:
    return planted(0.1)


def finding(outcome: Measured, metric: str, where: str = "all") -> Finding:
    return next(one for one in outcome.findings if (one.metric, one.slice) == (metric, where))


def records_of(check: SliceScan, subject: Subject) -> Records:
    found = check.measure(subject.artifacts)
    assert isinstance(found, Records)
    return found


# --- the check -----------------------------------------------------------------------------------


def test_a_planted_slice_is_found_by_name_and_confirmed() -> None:
    outcome = measured(CHECK, broken())
    assert finding(outcome, "confirmed_slices").value == 1
    where = "site=b & device=y"
    assert finding(outcome, "slice_p", where).value < 0.001  # type: ignore[operator]
    gap = finding(outcome, "slice_gap", where)
    worst = finding(outcome, "worst_gap")
    assert worst.value == gap.value == pytest.approx(0.5, abs=0.15)
    assert worst.low is not None
    assert gap.low is not None
    assert gap.low > 0.2
    assert outcome.headline is None  # the pattern names the worst one
    assert outcome.findings[0] == worst


def test_what_is_reported_is_counted_on_the_other_half_alone() -> None:
    subject = broken()
    records, attributes = records_of(CHECK, subject), subject.data.attributes
    there = (attributes["site"] == "b") & (attributes["device"] == "y")
    here = there.to_numpy() & ~records["searched"]
    rest = ~there.to_numpy() & ~records["searched"]
    right = records["correct"]
    gap = finding(measured(CHECK, subject), "worst_gap")
    assert gap.value == pytest.approx(right[rest].mean() - right[here].mean())
    assert (gap.low, gap.high) == pytest.approx(
        newcombe(int(right[rest].sum()), int(rest.sum()), int(right[here].sum()), int(here.sum()))
    )
    assert gap.n == (~records["searched"]).sum() == 400
    accuracy = finding(measured(CHECK, subject), "slice_accuracy", "site=b & device=y")
    assert (accuracy.value, accuracy.n) == (pytest.approx(right[here].mean()), here.sum())


def test_errors_that_the_searched_half_alone_has_are_not_confirmed() -> None:
    """The search is honest only if the other half can say no."""
    subject = sound()
    half = records_of(CHECK, subject)["searched"]
    b = (subject.data.attributes["site"] == "b").to_numpy()
    labels = subject.data.labels
    predicted = np.where(b & half, 1 - labels, labels)
    attributes = {name: list(column) for name, column in subject.data.attributes.items()}
    outcome = measured(CHECK, written(labels, predicted, **attributes))  # type: ignore[arg-type]
    assert finding(outcome, "worst_gap").value == 0
    assert finding(outcome, "confirmed_slices").value == 0
    table = outcome.evidence["subgroups"]
    assert isinstance(table, Table)
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert (row["subgroup"], row["in search"], row["confirmed"]) == ("site=b", 1.0, "no")


def confirmed_by_luck(runs: int) -> int:
    """Return in how many runs without any bad slice one was confirmed."""
    check = SliceScan(candidates=8)
    outcomes = (measured(check, planted(0.1, n=400, seed=seed)) for seed in range(runs))
    return sum(finding(one, "confirmed_slices").value > 0 for one in outcomes)  # type: ignore[operator]


def test_nothing_is_confirmed_by_luck_too_often() -> None:
    assert stats.binom.sf(confirmed_by_luck(40) - 1, 40, 0.05) >= 0.01


@pytest.mark.slow
def test_nothing_is_confirmed_by_luck_beyond_the_level() -> None:
    assert stats.binom.sf(confirmed_by_luck(500) - 1, 500, 0.05) >= 0.01


def test_intervals_of_all_that_are_handed_over_hold_together() -> None:
    subject = planted(0.6, n=1600, mondays=0.4)
    outcome = measured(CHECK, subject)
    assert finding(outcome, "confirmed_slices").value == 2
    gaps = [one for one in outcome.findings if one.metric == "slice_gap"]
    first, worst = gaps[0], finding(outcome, "worst_gap")
    assert first.value == worst.value
    assert [one.slice for one in gaps] == ["day=m", "site=b & device=y"]
    assert first.low < worst.low  # type: ignore[operator]
    records, frame = records_of(CHECK, subject), subject.data.attributes
    here, right = ~records["searched"], records["correct"]
    raw: list[float] = []
    for members in (frame["day"] == "m", (frame["site"] == "b") & (frame["device"] == "y")):
        one, rest = members.to_numpy() & here, ~members.to_numpy() & here
        raw.append(
            float(stats.hypergeom.cdf(right[one].sum(), here.sum(), right[here].sum(), one.sum()))
        )
        assert rest.sum() + one.sum() == 800
    p_values = [one.value for one in outcome.findings if one.metric == "slice_p"]
    assert p_values == pytest.approx([max(raw[0], 2 * raw[1]), 2 * raw[1]])  # Holm


def test_clusters_of_features_are_searched_where_columns_say_nothing() -> None:
    """Images with a bright corner are answered wrongly, and the last layer sees the corner."""

    class Corner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(2, 1)
            with torch.no_grad():
                self.head.weight.copy_(torch.tensor([[10.0, 0.0]]))
                self.head.bias.fill_(-5.0)

        def forward(self, images: Tensor) -> Tensor:
            return self.head(images[:, 0, 0, :2])

    rng = torch.Generator().manual_seed(0)
    images = torch.rand(600, 1, 2, 2, generator=rng)
    images[:, 0, 0, 1] = (torch.rand(600, generator=rng) < 0.2).float()
    labels = (images[:, 0, 0, 0] > 0.5).long()
    flip = (images[:, 0, 0, 1] > 0.5) & (torch.rand(600, generator=rng) < 0.7)
    model = ImageClassifier(Corner(), classes=("0", "1"), input_shape=(1, 2, 2))
    subject = Subject(model, image_data(images, torch.where(flip, 1 - labels, labels)))
    outcome = measured(SliceScan(clusters=4), subject)
    assert finding(outcome, "worst_gap").value > 0.4  # type: ignore[operator]
    name = next(one.slice for one in outcome.findings if one.metric == "slice_gap")
    assert name.startswith("cluster=")
    assert name.split(" ")[1] in ("0", "1")  # its most frequent answer
    shown = [one for key, one in outcome.evidence.items() if key.startswith("cluster-")]
    assert shown
    assert isinstance(shown[0], ImageExhibit)
    assert isinstance(run_check(SliceScan(clusters=0), subject), NotApplicable)


def test_a_model_without_errors_has_no_worst_slice() -> None:
    labels = np.tile([0, 1], 50)
    outcome = measured(CHECK, written(labels, labels, group=np.repeat(["a", "b"], 50)))
    worst = finding(outcome, "worst_gap")
    assert worst.value is None
    assert worst.undefined is not None
    assert finding(outcome, "confirmed_slices").value == 0


def test_nothing_to_divide_by_does_not_apply() -> None:
    outcome = run_check(SliceScan(clusters=0), linear_subject(0))
    assert isinstance(outcome, NotApplicable)
    assert "no column" in outcome.reason
    few = linear_subject(0, n=10)
    assert isinstance(CHECK.applies(few.model, few.data), NotApplicable)


def test_what_was_searched_is_said() -> None:
    outcome = measured(SliceScan(clusters=0), broken())
    note = outcome.evidence["searched"]
    assert isinstance(note, Note)
    assert "9 of 1 column, 27 of 2 columns, " in note.text
    assert "95 % level, all together: 1." in note.text
    columns = outcome.evidence["columns"]
    assert isinstance(columns, Table)
    assert columns.rows == [["site", 3, "a; b; c"], ["device", 3, "x; y; z"], ["day", 3, "m; t; w"]]


@pytest.mark.parametrize("change", [{"depth": 4}, {"candidates": 0}, {"minimum_n": 1}])
def test_senseless_parameters_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        SliceScan(**change)


# --- columns -------------------------------------------------------------------------------------


def test_numbers_are_binned_between_quartiles_of_the_searched_half() -> None:
    values = np.array([*range(100), *range(1000, 1100), np.nan])
    searched = np.arange(201) < 100
    column = binned("age", values, searched)
    assert column.groups == (
        "below 24.75", "24.75 to below 49.5", "49.5 to below 74.25", "74.25 and more", "(missing)"
    )  # fmt: skip
    assert np.bincount(column.codes).tolist() == [25, 25, 25, 125, 1]


def test_numbers_that_are_mostly_alike_are_divided_from_the_others() -> None:
    values = np.array([0.0] * 90 + [5.0] * 5 + [7.0] * 5)
    column = binned("gain", values, np.ones(100, dtype=np.bool_))
    assert column.groups == ("below 5", "5 and more")
    assert np.bincount(column.codes).tolist() == [90, 10]
    assert binned("same", np.zeros(9), np.ones(9, dtype=np.bool_)).groups == ("all",)


def test_columns_of_numbers_written_as_text_are_binned_and_names_are_not() -> None:
    subject = written(np.zeros(40, dtype=np.int64), np.zeros(40, dtype=np.int64))
    frame = pd.DataFrame(
        {"age": [str(i) for i in range(39)] + [None], "code": ["1", "2"] * 20, "all": ["x"] * 40}
    )
    data = dataclasses.replace(subject.data, attributes=frame)
    age, code = columns_of(data, np.ones(40, dtype=np.bool_))
    assert (age.binned, len(age.groups), age.groups[-1]) == (True, 5, "(missing)")
    assert (code.binned, code.groups) == (False, ("1", "2"))


def test_columns_that_a_model_of_a_table_reads_are_searched() -> None:
    rng = np.random.default_rng(0)
    age, work = rng.integers(20, 60, size=400), rng.integers(0, 2, size=400)
    schema = Schema(
        (
            Feature(name="age"),
            Feature(name="work", kind="categorical", categories=("State", "Private")),
        )
    )
    layer = nn.Linear(3, 1)
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.fill_(-1.0)  # says no to everybody
    labels = ((age >= 50) & (work == 1)).astype(int)
    rows = np.stack([age, work], axis=1).astype(np.float32)
    subject = Subject(
        TabularClassifier(layer, schema=schema, classes=("0", "1")),
        plain_data("tabular", InMemory(rows), labels.tolist(), schema),
    )
    outcome = measured(CHECK, subject)
    first = next(one.slice for one in outcome.findings if one.metric == "slice_gap")
    assert first.endswith("and more & work=Private")
    assert finding(outcome, "worst_gap").value > 0.8  # type: ignore[operator]


# --- the search ----------------------------------------------------------------------------------


def random_columns(seed: int) -> tuple[list[Coded], np.ndarray]:
    rng = np.random.default_rng(seed)
    columns = [Coded(f"c{j}", rng.integers(0, 3, size=300), ("a", "b", "c")) for j in range(4)]
    return columns, rng.random(300) < 0.3


@pytest.mark.parametrize("seed", range(5))
def test_the_first_slice_is_what_trying_all_finds(seed: int) -> None:
    columns, wrong = random_columns(seed)
    found = search(columns, wrong, least=10, depth=3, most=1)
    best: tuple[float, tuple[int, ...]] = (-np.inf, ())
    counts = [0, 0, 0]
    tried: list[list[tuple[float, tuple[int, ...]]]] = [[], [], []]
    for size in (1, 2, 3):
        for some in combinations(range(12), size):
            where = [(i // 3, i % 3) for i in some]
            if len({c for c, _ in where}) < size:
                continue
            member = np.all([columns[c].codes == g for c, g in where], axis=0)
            if not 10 <= member.sum() <= 290:
                continue
            counts[size - 1] += 1
            n1, n2, share = member.sum(), (~member).sum(), wrong.mean()
            error = np.sqrt(share * (1 - share) * (1 / n1 + 1 / n2))
            tried[size - 1].append(((wrong[member].mean() - wrong[~member].mean()) / error, some))
    for level, count in zip(tried, counts, strict=True):
        z, some = max(level)
        best = max(best, (z - np.sqrt(2 * np.log(count)), some))
    assert found.looked_at == tuple(counts)
    assert found.found[0].surprise == pytest.approx(best[0], abs=1e-3)
    assert found.found[0].items == best[1]


def test_parts_of_a_bad_slice_do_not_fill_the_list_but_a_second_one_does() -> None:
    rng = np.random.default_rng(0)
    first, second, third = (rng.integers(0, 4, size=4000) for _ in range(3))
    columns = [Coded(name, codes, tuple("abcd")) for name, codes in
               (("one", first), ("two", second), ("three", third))]  # fmt: skip
    rate = 0.1 + 0.4 * (first == 0) + 0.3 * (second == 1) * (first != 0)
    found = search(columns, rng.random(4000) < rate, least=20, depth=3, most=8)
    items = [found.items[min(one.items)] for one in found.found]
    assert [(one.column, one.group) for one in items[:2]] == [(0, 0), (1, 1)]
    assert inside(found.found[0], found, columns).tolist() == (first == 0).tolist()
    assert len(found.found) <= 3


def test_slices_that_are_too_small_are_not_looked_at() -> None:
    codes = np.array([0] * 95 + [1] * 5)
    found = search([Coded("c", codes, ("a", "b"))], codes == 1, least=6, depth=3, most=8)
    assert not found.items

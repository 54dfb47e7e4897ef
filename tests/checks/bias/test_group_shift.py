"""Mirrors auditkit/checks/bias/group_shift.py, and what _stress.py does with shares of copies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from auditkit.checks.base import Context, Measured, NotApplicable, Records
from auditkit.checks.bias.group_shift import GroupShift
from auditkit.checks.shift.graph_shift import GraphShift
from auditkit.checks.shift.table_shift import TableShift
from auditkit.errors import ConfigError
from auditkit.findings import Table
from auditkit.models.classifier import ImageClassifier
from auditkit.statistics import gap_of_bounded_means, permutation_p, standard_errors
from tests.checks.shift.test_graph_shift import broken as rings
from tests.checks.shift.test_table_shift import people
from tests.methods.attacks.subjects import bag_of_words
from tests.subjects import Subject, image_data, measured, run_check, values

CHECK = GroupShift(minimum_n=5, permutations=200)
REVEALS = "drop_gap"


def grouped(near: float, *, groups: tuple[str, str] = ("a", "b")) -> Subject:
    """Images of one grey, told by their mean; group b lies so far from the boundary, a 0.3."""
    labels = torch.tensor([0, 1] * 20)
    far = torch.cat([torch.full((20,), 0.3), torch.full((20,), near)])
    grey = 0.5 + far * (2.0 * labels - 1)
    layer = nn.Linear(64, 1)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.bias.fill_(-32.0)
    model = ImageClassifier(
        nn.Sequential(nn.Flatten(), layer), classes=("0", "1"), input_shape=(1, 8, 8)
    )
    images = grey[:, None, None, None].expand(40, 1, 8, 8).clone()
    sites = [groups[0]] * 20 + [groups[1]] * 20
    return Subject(model, image_data(images, labels, attributes={"s": sites}, sensitive=("s",)))


def broken() -> Subject:
    """A little brightness turns the answers in one group and none in the other."""
    return grouped(0.005)


def sound() -> Subject:
    return grouped(0.3)


def test_a_group_near_the_boundary_loses_more() -> None:
    outcome = measured(CHECK, broken())
    found = values(outcome)
    assert found["shifted_accuracy/s=a"] > found["shifted_accuracy/s=b"]  # type: ignore[operator]
    assert found["drop_gap/s"] > 0.1  # type: ignore[operator]
    assert found["drop_gap_p/s"] < 0.05  # type: ignore[operator]
    assert found["drop_gap/s/corruption=brightness"] == pytest.approx(0.5, abs=0.01)
    assert found["drop_gap/s/corruption=pixelate"] == 0
    assert outcome.headline == "group-shift/drop_gap/s"
    table = outcome.evidence["parts"]
    assert isinstance(table, Table)
    assert table.rows[0][5:7] == ["b", "a"]  # loses most, least
    assert all(row[8] >= row[7] for row in table.rows)  # type: ignore[operator]


def shares(data_of: Subject, columns: dict[str, np.ndarray]) -> Measured | NotApplicable:
    records = Records(data_of.data.ids, examples=(), **columns)
    context = Context(data=data_of.data, seed=0, others={"corruptions": records})
    return CHECK.summarise(Records(data_of.data.ids), context)


def test_copies_of_an_input_count_as_one() -> None:
    """All of a hold; of b every input loses two of its four copies: drops 0 and 0.5, n 40."""
    subject = sound()
    b = np.arange(40) >= 20
    columns = {"correct": np.ones(40, dtype=bool)}
    columns |= {f"{kind}-{s}": ~b | (s == 1) for kind in ("x-y", "z") for s in (1, 2)}
    outcome = shares(subject, columns)
    assert isinstance(outcome, Measured)
    found = values(outcome)
    assert (found["shifted_accuracy/s=a"], found["shifted_accuracy/s=b"]) == (1, 0.5)
    assert found["drop_gap/s"] == found["drop_gap/s/corruption=x-y"] == 0.5
    gap = next(one for one in outcome.findings if one.metric == "drop_gap")
    assert (gap.n, gap.interval) == (40, "square-and-add")
    halves = np.array([0.5, 0.75])  # (drop + 1) / 2
    errors = standard_errors(np.array([20, 20]), halves, halves**2)
    expected = gap_of_bounded_means(halves, errors)
    assert (gap.low, gap.high) == pytest.approx((2 * expected.low, 2 * expected.high))
    lost = b / 2
    p = permutation_p(
        lambda g: float(np.ptp(np.bincount(g, lost) / 20)), b.astype(int), seed=1, permutations=200
    )
    assert found["drop_gap_p/s"] == pytest.approx(p, abs=0.02)
    assert found["drop_gap_p/s/corruption=z"] == pytest.approx(p, abs=0.02)


def test_a_gap_that_was_there_before_is_not_counted() -> None:
    """Group b is always wrong: it has nothing to lose, and a loses nothing."""
    a = np.arange(40) < 20
    outcome = shares(sound(), {"correct": a, "x-1": a})
    assert isinstance(outcome, Measured)
    found = values(outcome)
    assert found["shifted_accuracy_gap/s"] == 1
    assert found["drop_gap/s"] == 0
    assert found["drop_gap_p/s"] == 1


def test_p_values_of_kinds_are_adjusted_by_holms_method() -> None:
    rng = np.random.default_rng(0)
    columns = {"correct": np.ones(40, dtype=bool)}
    columns |= {f"k{i}-1": rng.random(40) < 0.7 for i in range(10)}
    columns["k0-1"] = np.arange(40) < 20
    outcome = shares(sound(), columns)
    assert isinstance(outcome, Measured)
    table = outcome.evidence["parts"]
    assert isinstance(table, Table)
    assert table.rows[0][0] == "k0"
    assert table.rows[0][8] == pytest.approx(10 * float(table.rows[0][7] or 0))
    assert [row[9] for row in table.rows] == ["yes"] + ["no"] * 9


def test_texts_are_compared_by_mixed_typos() -> None:
    plain = bag_of_words(0)
    sides = plain.data.attributes.assign(side=["l", "r"] * (len(plain.data) // 2))
    found = values(measured(CHECK, Subject(plain.model, replace(plain.data, attributes=sides))))
    assert found["shifted_accuracy/side=l"] is not None
    kinds = {name.partition("kind=")[2] for name in found if "kind=" in name}
    assert "mixed" not in kinds
    assert len(kinds) > 3


@pytest.mark.parametrize("graphs", [False, True])
def test_rows_and_graphs_are_compared_by_their_damaged_copies(graphs: bool) -> None:
    one, check = (rings(), GraphShift()) if graphs else (people(1), TableShift())
    halves = ["a"] * (len(one.data) // 2) + ["b"] * (len(one.data) // 2)
    subject = Subject(one.model, replace(one.data, attributes=pd.DataFrame({"half": halves})))
    outcome = measured(CHECK, subject)
    found, records = values(outcome), check.measure(subject.artifacts)
    kinds = check.kinds if graphs else ("missing", "scale", "unit", "slip")
    copies = np.stack([records[f"{kind}-{s}"] for kind in kinds for s in check.severities])
    in_a = np.array(halves) == "a"
    assert found["shifted_accuracy/half=a"] == pytest.approx(copies[:, in_a].mean())
    lost = records["correct"] - copies.mean(axis=0)
    assert found["drop_gap/half"] == pytest.approx(abs(lost[in_a].mean() - lost[~in_a].mean()))
    assert {name.partition("kind=")[2] for name in found} == {"", *kinds}


def test_one_group_or_no_records_have_nothing_to_compare() -> None:
    one = grouped(0.3, groups=("a", "a"))
    assert isinstance(CHECK.applies(one.model, one.data), NotApplicable)
    nothing = CHECK.summarise(Records(one.data.ids), Context(data=sound().data, seed=0, others={}))
    assert isinstance(nothing, NotApplicable)


def test_a_thousand_groups_are_shown_but_not_compared() -> None:
    data = sound().data
    many = data.attributes.assign(s=[f"<b>{i}</b> ü" for i in range(40)])
    subject = Subject(sound().model, replace(data, attributes=many))
    a = np.arange(40) < 20
    outcome = shares(subject, {"correct": a, "x-1": a})
    assert isinstance(outcome, Measured)
    found = values(outcome)
    assert sum(one.metric == "shifted_accuracy" for one in outcome.findings) == 40
    assert found["drop_gap/s"] is None
    assert "parts" not in outcome.evidence


@pytest.mark.parametrize("name", ["minimum_n", "permutations"])
def test_impossible_parameters_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        GroupShift(**{name: 0})


def test_small_groups_are_left_out() -> None:
    assert values(measured(replace(CHECK, minimum_n=21), sound()))["drop_gap/s"] is None
    assert isinstance(run_check(CHECK, sound()), Measured)

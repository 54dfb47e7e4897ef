"""Mirrors auditkit/checks/bias/what_if.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from auditkit.checks.base import Context, NotApplicable, Records
from auditkit.checks.bias.what_if import WhatIf, read_deployment
from auditkit.errors import ConfigError, DataError
from auditkit.findings import Note, Table
from auditkit.statistics import weighted_share
from tests.checks.bias.test_group_gap import split, written
from tests.subjects import Subject, linear_subject, measured, values

CHECK = WhatIf(deployment=("group=g0:0.2,g1:0.8",))
REVEALS = "accuracy"


def broken() -> Subject:
    """Wrong on 40 % of the group that the deployment has most of."""
    return split((0.05, 0.4), n=120)


def sound() -> Subject:
    return split((0.05, 0.05), n=120)


def counted() -> Subject:
    """Per group true positives, false negatives, false positives, true negatives."""
    cells = {"a": (30, 10, 5, 55), "b": (10, 30, 20, 40)}
    groups, labels, predicted = list[str](), list[int](), list[int]()
    for name, counts in cells.items():
        for count, label, answer in zip(counts, (1, 1, 0, 0), (1, 0, 1, 0), strict=True):
            groups += [name] * count
            labels += [label] * count
            predicted += [answer] * count
    return written(np.array(labels), np.array(predicted), group=groups)


def test_every_number_is_the_weighted_one() -> None:
    outcome = measured(WhatIf(deployment=("group=a:0.25,b:0.75",)), counted())
    found = values(outcome)
    tp, fn, fp, tn = (0.25 * x + 0.75 * y for x, y in ((30, 10), (10, 30), (5, 20), (55, 40)))
    assert found["accuracy/group"] == pytest.approx((tp + tn) / 100)
    assert found["tpr/group"] == pytest.approx(tp / (tp + fn))
    assert found["fpr/group"] == pytest.approx(fp / (fp + tn))
    assert found["ppv/group"] == pytest.approx(tp / (tp + fp))
    assert found["selection_rate/group"] == pytest.approx((tp + fp) / 100)
    sure = 1 / (1 + np.exp(-1))  # logits 0 and 1
    assert found["overconfidence/group"] == pytest.approx(sure - (tp + tn) / 100, abs=1e-6)
    assert found["effective_n/group"] == pytest.approx(1 / (0.25**2 / 100 + 0.75**2 / 100))
    one = outcome.findings[0]
    expected = weighted_share(np.array([85, 50]), np.array([100, 100]), np.array([0.25, 0.75]))
    assert (one.low, one.high, one.n) == (*expected, 200)


def test_proportions_as_here_change_nothing() -> None:
    found = values(measured(WhatIf(deployment=("group=a:0.5,b:0.5",)), counted()))
    assert found["accuracy/group"] == pytest.approx(135 / 200)
    assert found["effective_n/group"] == pytest.approx(200)


def test_a_group_that_is_absent_makes_it_undefined() -> None:
    outcome = measured(WhatIf(deployment=("group=a:0.5,c:0.5",)), counted())
    assert set(values(outcome).values()) == {None}
    assert outcome.findings[0].undefined == "the data have no input of c"
    none = measured(WhatIf(deployment=("group=a:1,c:0",)), counted())
    assert values(none)["accuracy/group"] == pytest.approx(0.85)


def test_groups_that_are_not_named_are_said() -> None:
    outcome = measured(WhatIf(deployment=("group=a:1",)), counted())
    assert values(outcome)["accuracy/group"] == pytest.approx(0.85)
    note = outcome.evidence["deployment-1-unnamed"]
    assert isinstance(note, Note)
    assert note.text == "Their inputs count for nothing: b (100)."
    table = outcome.evidence["deployment-1"]
    assert isinstance(table, Table)
    assert table.rows == [["a", 100, 1.0, 1.0, 0.85]]


def test_rates_of_a_few_people_are_withheld() -> None:
    """With all the share in one group a rate is that of its few who are labelled positive."""
    one = counted()
    few = replace(one.data, min_cell=41)
    found = values(measured(WhatIf(deployment=("group=a:1,b:0",)), Subject(one.model, few)))
    assert found["tpr/group"] is None  # of 40 in group a
    assert found["ppv/group"] is None  # of 35
    assert found["fpr/group"] == pytest.approx(5 / 60)
    assert found["selection_rate/group"] == pytest.approx(0.35)


def test_names_of_any_characters_are_read() -> None:
    assert read_deployment("a%3Db=x%2Cy:0.25, <b>ü:1</b>:0.75") == (
        "a=b", {"x,y": 0.25, "<b>ü:1</b>": 0.75}
    )  # fmt: skip
    labels = np.tile([0, 1], 40)
    subject = written(labels, labels, group=["x,y"] * 40 + ["(missing)"] * 40)
    check = WhatIf(deployment=("group=x%2Cy:0.3,(missing):0.7",))
    assert values(measured(check, subject))["accuracy/group"] == 1
    one = measured(check, subject).findings[0]
    assert one.low < 1  # type: ignore[operator]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "names no column"), ("group", "names no column"), ("=a:1", "names no column"),
        ("group=a:0.5", "add up to 0.5"), ("group=a:x", "no group and its share"),
        ("group=a:1.5,b:-0.5", "no group and its share"), ("group=a:nan", "no group and its"),
        ("group=:1", "no group and its share"), ("group=a:0.5,a:0.5", "'a' twice"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(line: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        WhatIf(deployment=(line,))


def test_a_column_must_be_there_and_once() -> None:
    with pytest.raises(ConfigError, match="'group' twice"):
        WhatIf(deployment=("group=a:1", "group=b:1"))
    subject = counted()
    with pytest.raises(DataError, match="no column 'grup'"):
        WhatIf(deployment=("grup=a:1",)).applies(subject.model, subject.data)
    plain = linear_subject(0)
    assert isinstance(WhatIf().applies(plain.model, plain.data), NotApplicable)


def test_more_classes_have_no_rates() -> None:
    labels = np.tile([0, 1, 2], 40)
    subject = written(labels, labels, classes=("x", "y", "z"), group=["a", "b"] * 60)
    found = values(measured(WhatIf(deployment=("group=a:0.1,b:0.9",)), subject))
    assert set(found) == {f"{one}/group" for one in ("accuracy", "overconfidence", "effective_n")}


@pytest.mark.slow
def test_intervals_hold_what_the_deployment_would_show() -> None:
    """500 samples of three groups: accuracy and true positive rate of the true mixture."""
    rng, missed = np.random.default_rng(0), np.zeros(2, dtype=int)
    zeros = np.zeros(150, dtype=int)
    data = written(zeros, zeros, group=["a"] * 90 + ["b"] * 40 + ["c"] * 20).data
    sizes, shares = np.array([90, 40, 20]), np.array([0.2, 0.3, 0.5])
    positive, tpr, tnr = (
        np.array([0.5, 0.3, 0.6]),
        np.array([0.9, 0.7, 0.8]),
        np.array([0.95, 0.8, 0.6]),
    )
    true = (
        float(shares @ (positive * tpr + (1 - positive) * tnr)),
        float(shares @ (positive * tpr) / (shares @ positive)),
    )
    check = WhatIf(deployment=("group=a:0.2,b:0.3,c:0.5",))
    for seed in range(500):
        labels = (rng.random(150) < np.repeat(positive, sizes)).astype(int)
        right = rng.random(150) < np.where(labels, np.repeat(tpr, sizes), np.repeat(tnr, sizes))
        records = Records(
            data.ids, examples=(), predicted=np.where(right, labels, 1 - labels), correct=right,
            confidence=np.full(150, 0.8),
        )  # fmt: skip
        context = Context(data=replace(data, labels=labels), seed=seed)
        findings = {one.metric: one for one in check.summarise(records, context).findings}
        for i, metric in enumerate(("accuracy", "tpr")):
            low, high = findings[metric].low, findings[metric].high
            assert low is not None
            assert high is not None
            missed[i] += not low <= true[i] <= high
    assert (missed <= 37).all(), missed  # 99 % bound of 500 at 5 %

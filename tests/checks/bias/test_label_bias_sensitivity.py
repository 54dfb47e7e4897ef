"""Mirrors auditkit/checks/bias/label_bias_sensitivity.py."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.checks.base import Measured, NotApplicable
from auditkit.checks.bias.label_bias_sensitivity import LabelBiasSensitivity
from auditkit.errors import ConfigError
from auditkit.findings import Finding
from auditkit.statistics import newcombe
from tests.checks.bias.test_group_gap import split, written
from tests.subjects import Subject, linear_subject, measured, run_check

CHECK = LabelBiasSensitivity()
REVEALS = "wrong_labels"


def broken() -> Subject:
    """Wrong on 40 % of one group and 5 % of the other."""
    return split((0.05, 0.4), n=120)


def sound() -> Subject:
    return split((0.1, 0.1), n=120)


def counted(cells: dict[str, tuple[int, int, int, int]]) -> Subject:
    """Groups with so many true positives, false negatives, false positives, true negatives."""
    groups, labels, predicted = list[str](), list[int](), list[int]()
    for name, counts in cells.items():
        for count, label, answer in zip(counts, (1, 1, 0, 0), (1, 0, 1, 0), strict=True):
            groups += [name] * count
            labels += [label] * count
            predicted += [answer] * count
    return written(np.array(labels), np.array(predicted), group=groups)


def finding(outcome: Measured, metric: str, where: str, rate: str) -> Finding:
    return next(
        one
        for one in outcome.findings
        if (one.metric, one.slice, one.params.get("rate")) == (metric, f"group={where}", rate)
    )


def test_the_labels_that_close_a_gap_are_counted() -> None:
    """TPR 0.6 against 0.75: with 10 false negatives turned it is 30 / 40."""
    subject = counted({"a": (75, 25, 20, 80), "b": (30, 20, 10, 40)})
    outcome = measured(CHECK, subject)
    found = finding(outcome, "wrong_labels", "b", "tpr")
    assert found.value == pytest.approx(10 / 100)
    assert found.low < 0.1 < found.high  # type: ignore[operator]
    assert found.n == 100
    accuracy = finding(outcome, "wrong_labels", "b", "accuracy")
    assert accuracy.value == pytest.approx(155 / 200 - 70 / 100)
    assert finding(outcome, "wrong_labels", "a", "tpr").value == 0
    assert finding(outcome, "wrong_labels", "b", "fpr").value == 0  # 0.2 against 0.2


def test_until_the_gap_may_be_luck_takes_fewer() -> None:
    subject = counted({"a": (180, 20, 20, 180), "b": (60, 40, 10, 90)})
    outcome = measured(CHECK, subject)
    doubt = finding(outcome, "labels_to_doubt", "b", "accuracy").value
    assert doubt is not None
    count = int(doubt)
    assert newcombe(360, 400, 150 + count, 200).low <= 0
    assert newcombe(360, 400, 150 + count - 1, 200).low > 0
    assert count < finding(outcome, "wrong_labels", "b", "accuracy").value * 200  # type: ignore[operator]
    positive = finding(outcome, "labels_to_doubt", "b", "tpr").value
    assert positive is not None
    assert newcombe(180, 200, 60, 100 - int(positive)).low <= 0
    assert newcombe(180, 200, 60, 100 - int(positive) + 1).low > 0


def test_a_gap_that_may_be_luck_takes_none() -> None:
    subject = counted({"a": (75, 25, 20, 80), "b": (36, 14, 10, 40)})
    assert finding(measured(CHECK, subject), "labels_to_doubt", "b", "tpr").value == 0


def test_false_positive_rates_are_explained_too() -> None:
    """FPR 0.4 against 0.2: 20 (1 - x / 20) / (50 - x) = 0.2 after 12.5 labels."""
    subject = counted({"a": (80, 20, 20, 80), "b": (40, 10, 20, 30)})
    found = finding(measured(CHECK, subject), "wrong_labels", "b", "fpr")
    assert found.value == pytest.approx(12.5 / 100)
    doubt = finding(measured(CHECK, subject), "labels_to_doubt", "b", "fpr").value
    assert doubt is not None
    assert newcombe(20, 100, 20 - int(doubt), 50 - int(doubt)).high >= 0
    assert newcombe(20, 100, 21 - int(doubt), 51 - int(doubt)).high < 0


def test_the_widest_stands_for_the_check() -> None:
    outcome = measured(CHECK, broken())
    assert outcome.headline is not None
    head = next(one for one in outcome.findings if one.id == outcome.headline)
    assert (head.metric, head.slice) == ("wrong_labels", "group=g1")
    assert head.low > 0.1  # type: ignore[operator]


def test_small_denominators_are_undefined() -> None:
    outcome = measured(CHECK, counted({"a": (75, 25, 20, 80), "b": (5, 5, 10, 40)}))
    found = finding(outcome, "wrong_labels", "b", "tpr")
    assert found.undefined == "10 inputs labelled positive in the group and 100 outside (minimum_n)"
    assert finding(outcome, "wrong_labels", "b", "fpr").value is not None


def test_more_classes_are_compared_by_accuracy_alone() -> None:
    labels = np.tile([0, 1, 2], 60)
    group = np.repeat(["a", "b"], 90)
    predicted = np.where((group == "b") & (np.arange(180) % 2 == 0), (labels + 1) % 3, labels)
    outcome = measured(CHECK, written(labels, predicted, classes=("x", "y", "z"), group=group))
    assert {one.params.get("rate") for one in outcome.findings} == {"accuracy"}
    assert finding(outcome, "wrong_labels", "b", "accuracy").value == 0.5


def test_it_needs_a_sensitive_column_with_two_groups() -> None:
    linear, labels = linear_subject(0), np.tile([0, 1], 50)
    assert isinstance(CHECK.applies(linear.model, linear.data), NotApplicable)
    assert isinstance(run_check(CHECK, written(labels, labels, group=["a"] * 100)), NotApplicable)
    with pytest.raises(ConfigError, match="minimum_n"):
        LabelBiasSensitivity(minimum_n=0)

"""Mirrors auditkit/checks/bias/bias_amplification.py."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.checks.base import Measured, NotApplicable
from auditkit.checks.bias.bias_amplification import BiasAmplification
from auditkit.errors import ConfigError
from auditkit.findings import Finding, Note, Table
from auditkit.statistics import paired_difference
from tests.checks.bias.test_group_gap import written
from tests.subjects import Subject, linear_subject, measured, run_check

CHECK = BiasAmplification()
REVEALS = "amplification"


def leaning(towards: float, *, n: int = 600, seed: int = 0) -> Subject:
    """Labels are yes for 60 % of b and 40 % of a; some answers are the group's and not theirs."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 2, size=n)
    labels = (rng.random(n) < np.where(group == 1, 0.6, 0.4)).astype(np.int64)
    predicted = np.where(rng.random(n) < towards, group, labels)
    return written(labels, predicted, sex=np.where(group == 1, "b", "a"))


def broken() -> Subject:
    return leaning(0.5)


def sound() -> Subject:
    return leaning(0.0)


def finding(outcome: Measured, metric: str, where: str = "sex") -> Finding:
    return next(one for one in outcome.findings if (one.metric, one.slice) == (metric, where))


def test_what_goes_beyond_the_labels_is_measured() -> None:
    """Of each group 40 % have the rarer label; half of these turn to the group's: 20 points."""
    bad, good = (finding(measured(CHECK, one()), "amplification") for one in (broken, sound))
    assert bad.value == pytest.approx(0.2, abs=0.05)
    assert bad.low > 0.1  # type: ignore[operator]
    assert good.value == 0
    assert good.low < 0 < good.high  # type: ignore[operator]


def test_the_table_has_what_moved_with_paired_intervals() -> None:
    subject = broken()
    outcome = measured(CHECK, subject)
    table = outcome.evidence["shares-1"]
    assert isinstance(table, Table)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert len(rows) == 4
    assert {(one["class"], one["group"]) for one in rows[:2]} <= {
        ("yes", "b"), ("no", "a"), ("yes", "a"), ("no", "b")
    }  # fmt: skip
    row = next(one for one in rows if (one["class"], one["group"]) == ("yes", "b"))
    here = (subject.data.attributes["sex"] == "b").to_numpy()
    predicted = subject.model.predict(subject.artifacts.inputs).argmax(dim=1).numpy()
    value, interval = paired_difference(predicted[here] == 1, subject.data.labels[here] == 1)
    assert row["than others"] == "more"
    assert (row["change"], row["low"], row["high"]) == (value, *interval)
    assert row["predicted"] == pytest.approx((predicted[here] == 1).mean())


def test_small_groups_are_left_out_and_named() -> None:
    labels = np.tile([0, 1], 60)
    sex = np.array(["a"] * 55 + ["b"] * 55 + ["few"] * 10)
    predicted = np.where(sex == "few", 0, labels)
    outcome = measured(CHECK, written(labels, predicted, sex=sex))
    assert finding(outcome, "amplification").value == 0
    assert finding(outcome, "amplification").n == 110
    note = outcome.evidence["left-out"]
    assert isinstance(note, Note)
    assert note.text == "sex: few."
    none = measured(BiasAmplification(minimum_n=60), written(labels, predicted, sex=sex))
    assert finding(none, "amplification").value is None


def test_a_class_that_is_never_predicted_leaves_the_mean_undefined() -> None:
    labels, sex = np.tile([0, 1], 60), np.repeat(["a", "b"], 60)
    outcome = measured(CHECK, written(labels, np.zeros(120, dtype=np.int64), sex=sex))
    found = finding(outcome, "mean_amplification")
    assert found.undefined == "a class is never labelled or never predicted"
    assert finding(outcome, "amplification").value is not None


def test_the_worst_column_stands_for_the_check() -> None:
    subject = broken()
    predicted = subject.model.predict(subject.artifacts.inputs).argmax(dim=1).numpy()
    sex = subject.data.attributes["sex"].to_numpy(dtype=str)
    other = np.random.default_rng(9).choice(["x", "y"], size=600)
    outcome = measured(CHECK, written(subject.data.labels, predicted, other=other, sex=sex))
    assert outcome.headline == "bias-amplification/amplification/sex"


def test_it_needs_a_sensitive_column_with_two_groups() -> None:
    linear, labels = linear_subject(0), np.tile([0, 1], 50)
    assert isinstance(CHECK.applies(linear.model, linear.data), NotApplicable)
    assert isinstance(run_check(CHECK, written(labels, labels, sex=["a"] * 100)), NotApplicable)
    with pytest.raises(ConfigError, match="minimum_n"):
        BiasAmplification(minimum_n=0)

"""Mirrors auditkit/checks/bias/reject_option.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from auditkit.checks.base import Context, Measured, NotApplicable, Records
from auditkit.checks.bias._decisions import Sample
from auditkit.checks.bias.reject_option import Option, RejectOption, fit
from auditkit.errors import ConfigError
from auditkit.findings import Curve, Note
from tests.checks.bias.test_threshold_sweep import scoring, shifted
from tests.subjects import Subject, measured, run_check, values

CHECK = RejectOption()
REVEALS = "gap_before"


def broken() -> Subject:
    return shifted(2.0)


def sound() -> Subject:
    return shifted(0.0)


def test_decisions_within_the_margin_follow_the_group_and_others_the_score() -> None:
    score = np.array([0.1, 0.45, 0.55, 0.9, 0.1, 0.45, 0.55, 0.9])
    sample = Sample(score, score > 0, np.repeat([0, 1], 4), ("deprived", "favoured"))
    option = Option(0.1, np.array([True, False]), np.array([False, True]))
    assert option.decide(sample).tolist() == [False, True, True, True, False, False, False, True]
    assert option._replace(margin=0.0).decide(sample).tolist() == (score > 0.5).tolist()


def test_the_margin_that_closes_the_gap_is_found_and_no_wider() -> None:
    """Half of a is decided for, none of b; two tenths of b lie within 0.1 of a half."""
    a = np.repeat([0.9, 0.52, 0.1], [40, 20, 40])
    b = np.repeat([0.45, 0.2], [40, 60])
    sample = Sample(
        np.concatenate([a, b]), np.ones(200, dtype=bool), np.repeat([0, 1], 100), ("a", "b")
    )
    option = fit(sample, 20)
    assert option is not None
    assert option.deprived.tolist() == [False, True]
    assert option.margin == 0.05  # a loses its 20, b gains its 40: 0.4 each
    gap = sample.gap("selection_rate", option.decide(sample), 20)
    assert gap is not None
    assert gap.size == 0


def test_the_gap_shrinks_on_the_half_that_was_not_fitted_on() -> None:
    outcome = measured(CHECK, broken())
    found = {one.id.partition("/")[2]: one for one in outcome.findings}
    assert found["gap_before/g"].value > 0.2  # type: ignore[operator]
    assert found["gap_left/g"].value < 0.15  # type: ignore[operator]
    assert found["gap_left/g"].n == 200
    assert found["turned_share/g"].value > 0.05  # type: ignore[operator]
    change = found["accuracy_change/g"]
    assert change.interval == "newcombe-paired"
    note = outcome.evidence["rule-1"]
    assert isinstance(note, Note)
    assert "decided for: b; decided against: a" in note.text
    said = outcome.evidence["picture"]
    assert isinstance(said, Note)
    assert "not advice" in said.text
    curve = outcome.evidence["margins-1"]
    assert isinstance(curve, Curve)
    assert curve.series[1].y[0] == found["gap_before/g"].value


def test_measured_is_the_other_half() -> None:
    """The fitted half is biased against b, the other against a: the rule is of no use there."""
    subject = shifted(0.0)
    n = len(subject.data)
    fitted = np.tile([True, True, False, False], n // 4)
    b = np.repeat([False, True], n // 2)
    score = np.where(fitted == b, 0.48, 0.52)  # fitted: a above; the other half: b above
    records = Records(subject.data.ids, examples=(), score=score, fitted=fitted)
    context = Context(data=subject.data, seed=0)
    outcome = CHECK.summarise(records, context)
    assert isinstance(outcome, Measured)
    found = values(outcome)
    assert found["gap_before/g"] == 1
    assert found["turned_share/g"] == 0


def test_it_is_the_same_whichever_class_is_the_favourable_one() -> None:
    one, other = (values(measured(RejectOption(positive=name), broken())) for name in ("yes", "no"))
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert value == pytest.approx(other[name])


def test_more_groups_small_ones_and_odd_names() -> None:
    rng = np.random.default_rng(0)
    groups = ["<i>"] * 60 + ["ü"] * 60 + ["(missing)"] * 60 + ["few"] * 3
    labels = np.arange(183) % 2
    found = values(measured(CHECK, scoring(rng.uniform(0.05, 0.95, 183), labels, groups)))
    assert found["gap_left/g"] is not None
    many = [f"g{i}" for i in range(183)]
    outcome = measured(CHECK, scoring(rng.uniform(0.05, 0.95, 183), labels, many))
    assert set(values(outcome).values()) == {None}
    assert outcome.headline is None


def test_it_needs_groups_and_inputs() -> None:
    subject = sound()
    one = replace(subject.data, attributes=subject.data.attributes.assign(g="x"))
    assert isinstance(run_check(CHECK, Subject(subject.model, one)), NotApplicable)
    few = subject.data.take(np.arange(10))
    assert isinstance(CHECK.applies(subject.model, few), NotApplicable)
    with pytest.raises(ConfigError, match="minimum_n"):
        RejectOption(minimum_n=0)

"""Mirrors auditkit/checks/shift/table_shift.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from auditkit.checks.base import NotApplicable
from auditkit.checks.shift.table_shift import TableShift
from auditkit.data.dataset import InMemory
from auditkit.data.schema import Feature, Schema
from auditkit.errors import ConfigError
from auditkit.models.tabular import TabularClassifier
from tests.subjects import Subject, linear_subject, measured, plain_data, table_subject, values

CHECK = TableShift()
REVEALS = "mean_damage_error"
N = 200


def people(columns: int, *, noise: float = 0.0) -> Subject:
    """The class is whether the columns, which all say the same, are above 40 on the average."""
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.uniform(20, 60, (N, 1)), columns, axis=1).astype(np.float32)
    schema = Schema(tuple(Feature(name=f"age{j}", mean=40.0, std=10.0) for j in range(columns)))
    wrong = rng.random(N) < noise * (rows[:, 0] > 40)
    layer = nn.Linear(columns, 1)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.bias.zero_()
    votes = nn.Sequential(nn.Hardtanh(-0.1, 0.1), layer)  # no column outweighs the others
    model = TabularClassifier(votes, schema=schema, classes=("0", "1"))
    labels = ((rows[:, 0] > 40) ^ wrong).astype(int).tolist()
    return Subject(model, plain_data("tabular", InMemory(rows), labels, schema))


def broken() -> Subject:
    """All hangs on one column."""
    return people(1)


def sound() -> Subject:
    """Nine columns say the same, and an empty one says nothing."""
    return people(9)


def test_a_wrong_scale_turns_what_its_factor_turns() -> None:
    """1,000 times too little is always below 40, too much above: half of the damaged are wrong."""
    found = values(measured(TableShift(kinds=("scale",)), broken()))
    for severity, share in ((1, 0.05), (5, 0.5)):
        drop = found[f"accuracy_drop/kind=scale,severity={severity}"]
        assert drop == pytest.approx(share / 2, abs=0.08)
    assert found["mean_damage_error"] == pytest.approx(0.12, abs=0.05)


def test_kinds_that_concern_no_column_are_left_out() -> None:
    found = values(measured(CHECK, broken()))
    assert not any("category" in name for name in found)
    outcome = TableShift(kinds=("swapped-category",))
    assert any("swapped" in name for name in values(measured(outcome, table_subject())))


def test_a_column_whose_move_costs_accuracy_is_named() -> None:
    """Older people are answered wrongly more often, so an older population loses accuracy."""
    subject = people(1, noise=0.4)
    found = {one.id: one for one in measured(CHECK, subject).findings}
    older = found["table-shift/reweighted_drop/all/column=age0,move=higher"]
    younger = found["table-shift/reweighted_drop/all/column=age0,move=lower"]
    assert older.low is not None
    assert older.low > 0
    assert younger.value is not None
    assert younger.value < 0


def test_later_rows_are_held_against_earlier_ones_where_a_column_holds_dates() -> None:
    subject = people(1, noise=0.4)
    rows = subject.data.read(slice(None))
    assert not isinstance(rows, list)
    order = np.argsort(np.argsort(rows[:, 0]))
    days = pd.date_range("2020-01-01", periods=N).strftime("%Y-%m-%d").to_numpy()[order]
    data = replace(subject.data, attributes=pd.DataFrame({"seen": days, "half": "a"}))
    found = {one.metric: one for one in measured(CHECK, Subject(subject.model, data)).findings}
    assert found["later_drop"].value == pytest.approx(0.4, abs=0.1)
    assert found["later_drop"].params["column"] == "seen"
    plain = [one.metric for one in measured(CHECK, subject).findings]
    assert "later_drop" not in plain


def test_tables_alone() -> None:
    images = linear_subject(0)
    assert isinstance(CHECK.applies(images.model, images.data), NotApplicable)


@pytest.mark.parametrize("wrong", [{"kinds": ("mising",)}, {"kinds": ()}, {"severities": (6,)}])
def test_unknown_parameters_are_refused(wrong: dict[str, tuple[object, ...]]) -> None:
    with pytest.raises(ConfigError):
        TableShift(**wrong)  # type: ignore[arg-type]

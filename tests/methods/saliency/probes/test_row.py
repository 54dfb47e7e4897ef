"""Mirrors auditkit/methods/saliency/probes/row.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from auditkit.data.schema import Feature, Schema
from auditkit.methods.saliency.probes.row import RowProbe, usual_row
from auditkit.models.tabular import TabularClassifier
from auditkit.randomness import keys_of, uniform

SCHEMA = Schema(
    (
        Feature(name="age", mean=40.0, std=10.0, missing=True),
        Feature(name="job", kind="categorical", categories=("none", "cook", "clerk")),
        Feature(name="wage", mean=0.0, std=2.0),
    )
)


def row_probe(row: list[float], reference: list[float]) -> RowProbe:
    torch.manual_seed(0)
    model = TabularClassifier(nn.Linear(6, 2), schema=SCHEMA, classes=["no", "yes"])
    return RowProbe(
        model=model, row=torch.tensor(row), reference=torch.tensor(reference), target=1,
        batch_size=2,
    )  # fmt: skip


def test_removed_columns_get_the_values_of_the_reference():
    probe = row_probe([60.0, 2.0, 5.0], [40.0, 0.0, 5.0])
    removed = np.array([[False] * 3, [True, False, False], [True, True, True]])
    rows = torch.tensor([[60.0, 2.0, 5.0], [40.0, 2.0, 5.0], [40.0, 0.0, 5.0]])
    expected = probe.model.predict(rows).softmax(dim=1)[:, 1]
    assert np.allclose(probe.probabilities(removed), expected.numpy(), atol=1e-6)
    assert probe.differs().tolist() == [True, True, False]
    assert probe.modelless()["distance-from-the-usual-value"].tolist() == [2.0, 1.0, 0.0]
    assert [one.strip() for one in probe.pieces()] == ["age 60", "job clerk", "wage 5"]


def test_features_are_added_per_column():
    probe = row_probe([60.0, 2.0, 5.0], [40.0, 0.0, 5.0])
    assert probe.point.shape == (1, 6)
    numbers = torch.tensor([[1.0, 2.0, 3.0, 4.0, -4.0, 6.0]])
    assert probe.summed(numbers).tolist() == [3.0, 3.0, 6.0]
    assert probe.steepest(numbers).tolist() == pytest.approx([5**0.5, 41**0.5, 6.0])


def test_a_missing_value_differs_from_one_that_is_there_and_not_from_another():
    assert row_probe([np.nan, 0.0, 0.0], [40.0, 0.0, 0.0]).differs().tolist() == [
        True,
        False,
        False,
    ]
    assert not row_probe([np.nan, 0.0, 0.0], [np.nan, 0.0, 0.0]).differs().any()


def test_the_usual_row_leaves_missing_values_out():
    rows = torch.tensor(
        [[1.0, torch.nan], [torch.nan, torch.nan], [3.0, torch.nan], [9.0, torch.nan]]
    )
    usual = usual_row(rows, [True, False])
    assert usual[0] == 3.0
    assert usual[1].isnan()


def test_a_nearby_row_moves_numbers_alone():
    probe = row_probe([60.0, 2.0, 5.0], [40.0, 0.0, 5.0])
    key = keys_of(0, "near", ["a"])
    for near, draws in zip(probe.near(key, 2), uniform(key, (2, 3))[0], strict=True):
        assert isinstance(near, RowProbe)
        age, _, wage = 0.02 * (2 * draws - 1)  # a fiftieth of the spread of the numbers
        assert near.row.tolist() == pytest.approx([60 + 10 * age, 2.0, 5 + 2 * wage])
    assert probe.otherwise() is None

"""Mirrors auditkit/methods/attacks/all_columns.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from auditkit.methods.attacks.all_columns import AllColumns
from auditkit.methods.attacks.reach import Reach, permitted
from auditkit.randomness import keys_of
from tests.methods.attacks.tables import linear_table, numbers


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("steps", [0, 2])
@pytest.mark.parametrize("radius", [0.1, 0.8])
def test_equals_the_closed_form_on_a_linear_model(seed: int, steps: int, radius: float) -> None:
    """Scores alone find what gradients find: the sum over columns of |weight| times reach."""
    subject = linear_table(seed, n=40)
    reach = Reach.of(subject.schema, subject.rows, spread=radius, categories=False)
    search = AllColumns(steps=steps, values=2, queries=4)
    keys = keys_of(0, "test", subject.data.ids)
    points, fallen = search.search(subject.model.logits, reach, subject.labels, keys)
    left = subject.margins.numpy() - subject.gains(radius, categories=False).sum(axis=1)
    clear = np.abs(left) > 1e-4
    assert np.array_equal(fallen.numpy()[clear], left[clear] < 0)
    if radius > 0.5:
        assert 2 < fallen.sum() < 38
    before = subject.rows.numpy()
    assert permitted(subject.schema, before, points.numpy(), spread=radius, categories=False).all()


def test_scores_climb_past_a_bad_sum() -> None:
    """Two numbers help alone and hurt together; the third helps one of them, and not alone."""

    def model(rows: Tensor) -> Tensor:
        a, b, c = (rows > 0.5).float().T
        score = 0.3 * a + 0.2 * b - 2 * a * b + 0.9 * a * c - 1.0
        return torch.stack([torch.zeros(len(rows)), score], dim=1)

    rows, labels = torch.zeros(1, 3), torch.tensor([0])
    reach = Reach.of(numbers(3), rows, spread=1.0)
    search = AllColumns(steps=0, values=3, queries=1)
    points, fallen = search.search(model, reach, labels, keys_of(0, "t", ["a"]))
    assert fallen.all()
    assert (points[0] > 0.5).tolist() == [True, False, True]


def test_answers_alone_are_searched_at_random() -> None:
    """Three of eight corners of a cube change the answer, and nothing says where they are."""

    def model(rows: Tensor) -> Tensor:
        inside = (rows[:, 0] > 0.4) & (rows[:, 1] > 0.4)
        return torch.stack([torch.zeros(len(rows)), 2.0 * inside - 1.0], dim=1)

    rows, labels = torch.zeros(20, 3), torch.zeros(20, dtype=torch.int64)
    keys = keys_of(0, "t", [str(i) for i in range(20)])
    reach = Reach.of(numbers(3), rows, spread=0.5)
    few, many = (
        AllColumns(steps=0, values=3, queries=count).search(model, reach, labels, keys)[1]
        for count in (2, 60)
    )
    assert few.sum() < 20
    assert many.all()
    assert not (few & ~many).any()


def test_rows_without_numbers_hold() -> None:
    rows, labels = torch.zeros(2, 2), torch.zeros(2, dtype=torch.int64)
    reach = Reach.of(numbers(2), rows, spread=1.0, fixed=["a", "b"])
    search = AllColumns(steps=2, values=2, queries=2)
    points, fallen = search.search(
        torch.nn.Linear(2, 2), reach, labels, keys_of(0, "t", ["a", "b"])
    )
    assert not fallen.any()
    assert torch.equal(points, rows)

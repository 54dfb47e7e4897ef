"""Mirrors auditkit/methods/attacks/ascent.py."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from auditkit.methods.attacks.ascent import ascend
from auditkit.methods.attacks.reach import Reach, permitted
from tests.methods.attacks.tables import linear_table, numbers


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("spread", [0.1, 0.5, 1.5])
def test_one_step_finds_the_worst_corner_of_a_linear_model(seed: int, spread: float) -> None:
    """Its margin falls by the sum over columns of |weight| times reach, whole steps floored."""
    subject = linear_table(seed)
    reach = Reach.of(subject.schema, subject.rows, spread=spread, categories=False)
    points, fallen = ascend(subject.model.logits, reach, subject.rows, subject.labels, steps=1)
    left = subject.margins.numpy() - subject.gains(spread, categories=False).sum(axis=1)
    clear = np.abs(left) > 1e-4
    assert np.array_equal(fallen.numpy()[clear], left[clear] < 0)
    before = subject.rows.numpy()
    assert permitted(subject.schema, before, points.numpy(), spread=spread, categories=False).all()
    assert torch.equal(points[~fallen].nan_to_num(), subject.rows[~fallen].nan_to_num())


def test_more_steps_find_no_less() -> None:
    """A bent valley: one step jumps over it."""

    def model(rows: Tensor) -> Tensor:
        x, y = rows.T
        score = 0.3 - (x - 0.37).square() * 4 - (y - x).square() * 9
        return torch.stack([torch.zeros_like(x), 0.05 * score], dim=1)

    rng = torch.Generator().manual_seed(0)
    rows = 3 * torch.rand(200, 2, generator=rng) - 1.5
    rows = rows[model(rows).argmax(dim=1) == 0]
    reach = Reach.of(numbers(2), rows, spread=0.6)
    labels = torch.zeros(len(rows), dtype=torch.int64)
    found = [ascend(model, reach, rows, labels, steps=steps)[1] for steps in (1, 2, 5, 10, 40)]
    for fewer, more in pairwise(found):
        assert not (fewer & ~more).any()
    assert found[-1].sum() > found[0].sum() + 10


def test_only_free_cells_move_and_whole_numbers_are_what_the_model_sees() -> None:
    seen: list[Tensor] = []

    def model(rows: Tensor) -> Tensor:
        seen.append(rows.detach())
        return torch.stack([torch.zeros(len(rows)), rows.sum(dim=1) - 3.5], dim=1)

    rows = torch.zeros(1, 3)
    reach = Reach.of(numbers(3, integer=True), rows, spread=2.7)
    free = torch.tensor([[True, False, True]])
    points, fallen = ascend(model, reach, rows, torch.tensor([0]), steps=3, free=free)
    assert points.tolist() == [[2.0, 0.0, 2.0]]
    assert fallen.all()
    assert all(torch.equal(one, one.round()) for one in seen)


def test_without_free_cells_or_steps_nothing_is_asked() -> None:
    def refuse(rows: Tensor) -> Tensor:
        assert len(rows) == 0
        return torch.zeros(0, 2)

    rows, labels = torch.zeros(2, 2), torch.zeros(2, dtype=torch.int64)
    reach = Reach.of(numbers(2), rows, spread=1.0, fixed=["a", "b"])
    assert not ascend(refuse, reach, rows, labels, steps=3)[1].any()

"""Mirrors auditkit/methods/attacks/escalation.py."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.attacks.escalation import escalate


def threshold(points: Tensor) -> Tensor:
    """Class 1 from 1 on."""
    return torch.cat([1 - points, points - 1], dim=1)


def test_budgets_are_tried_in_order_and_fallen_inputs_are_left_alone() -> None:
    inputs = torch.tensor([[0.95], [0.5], [-9.0], [2.0]])
    labels = torch.zeros(4, dtype=torch.int64)
    seen: list[tuple[float, list[int]]] = []

    def shift(rows: Tensor, budget: float) -> Tensor:
        seen.append((budget, rows.tolist()))
        return inputs[rows] + budget

    correct = torch.tensor([True, True, True, False])
    found = escalate(threshold, inputs, labels, correct, attacks=(shift,), budgets=(0.6, 0.1))
    assert seen == [(0.1, [0, 1, 2]), (0.6, [1, 2])]
    assert found.budget.tolist() == [0.1, 0.6, torch.inf, 0.0]
    assert torch.allclose(found.points[:, 0], torch.tensor([1.05, 1.1, -9.0, 2.0]))


def test_a_larger_budget_never_helps_even_when_its_attack_is_worse() -> None:
    """The attack finds something at 0.1 and nothing at 0.2; the success of 0.1 stays."""
    inputs, labels = torch.tensor([[0.95]]), torch.tensor([0])

    def fickle(rows: Tensor, budget: float) -> Tensor:
        return inputs[rows] + (budget if budget < 0.15 else -budget)

    found = escalate(
        threshold, inputs, labels, torch.tensor([True]), attacks=(fickle,), budgets=(0.1, 0.2)
    )
    assert found.budget.item() == 0.1


def test_later_attacks_see_what_earlier_ones_left() -> None:
    inputs, labels = torch.tensor([[0.95], [0.5]]), torch.tensor([0, 0])
    second: list[list[int]] = []

    def weak(rows: Tensor, budget: float) -> Tensor:
        return inputs[rows] + 0.1

    def strong(rows: Tensor, budget: float) -> Tensor:
        second.append(rows.tolist())
        return inputs[rows] + 1

    both = torch.tensor([True, True])
    found = escalate(threshold, inputs, labels, both, attacks=(weak, strong), budgets=(1.0,))
    assert second == [[1]]
    assert found.budget.tolist() == [1.0, 1.0]

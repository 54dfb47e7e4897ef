"""Mirrors auditkit/methods/cost.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from auditkit.methods.cost import cost_of


def test_a_product_costs_two_operations_for_every_pair() -> None:
    layer = nn.Linear(7, 5)
    cost = cost_of(lambda: layer(torch.ones(3, 7)))
    assert cost.flops == 2 * 3 * 7 * 5


def test_memory_that_is_freed_is_used_again() -> None:
    def chain(n: int) -> torch.Tensor:
        x = torch.ones(100)
        for _ in range(n):
            x = x + 1
        return x

    assert cost_of(lambda: chain(1)).peak_bytes == cost_of(lambda: chain(9)).peak_bytes == 800
    kept = cost_of(lambda: [torch.ones(100) for _ in range(9)])
    assert kept.peak_bytes == 3600


def test_weights_inputs_views_and_changes_in_place_cost_no_memory() -> None:
    weight, given = torch.ones(50), torch.ones(50)
    cost = cost_of(lambda: (given.view(5, 10).T, weight[2:].reshape(-1), given.add_(1)))
    assert cost.peak_bytes == 0
    assert dict(cost.uncounted) == {"add_": 1}


@pytest.mark.parametrize("calls", [1, 4])
def test_what_the_counter_does_not_know_is_named(calls: int) -> None:
    def work() -> None:
        for _ in range(calls):
            torch.ones(3).tanh()

    cost = cost_of(work)
    assert dict(cost.uncounted) == {"tanh": calls}
    assert cost.flops == 0


def test_it_is_the_same_every_time() -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    costs = {repr(cost_of(lambda: network(torch.zeros(1, 1, 8, 8)))) for _ in range(5)}
    assert len(costs) == 1

"""Mirrors auditkit/methods/attacks/active_set.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from auditkit.methods.attacks.active_set import (
    first_successes,
    loss_gradients,
    misclassified,
)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_broken_logits_are_no_success(bad: float) -> None:
    logits = torch.tensor([[0.0, 1.0], [bad, 1.0], [0.0, bad]])
    assert misclassified(logits, torch.tensor([0, 0, 0])).tolist() == [True, False, False]


def test_gradients_in_batches_equal_those_of_one_piece_and_of_no_graph_are_zero() -> None:
    rng = torch.Generator().manual_seed(0)
    points, labels = torch.randn(7, 4, generator=rng), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    network = nn.Linear(4, 3).requires_grad_(False)
    whole = loss_gradients(network, points, labels)
    assert torch.allclose(loss_gradients(network, points, labels, batch_size=3), whole)
    assert (whole != 0).any()
    assert (loss_gradients(lambda x: network(x.detach()), points, labels) == 0).all()
    assert (loss_gradients(lambda x: network(x.round()), points, labels) == 0).all()


def walker(visits: list[int], *, threshold: float = 3.0):
    """A model on numbers that calls everything from `threshold` on class 1, and counts visits."""

    def logits(points: Tensor) -> Tensor:
        visits.append(len(points))
        return torch.cat([threshold - points, points - threshold], dim=1)

    return logits


def test_only_inputs_that_hold_cost_anything_and_the_first_success_is_kept() -> None:
    visits: list[int] = []
    start, labels = torch.tensor([[0.5], [2.5], [9.0]]), torch.tensor([0, 0, 0])
    found = first_successes(
        walker(visits), start, labels, steps=5, advance=lambda x, g, rows, taken: x + g.sign()
    )
    assert found[:, 0].tolist() == [3.5, 3.5, 9.0]
    assert visits == [3, 2, 1, 1]


def test_a_path_that_goes_in_circles_ends() -> None:
    visits: list[int] = []
    start, labels = torch.tensor([[0.0], [1.0]]), torch.tensor([0, 0])
    found = first_successes(
        walker(visits), start, labels, steps=50, advance=lambda x, g, rows, taken: 1.0 - x
    )
    assert sum(visits) == 4  # two points each, then both are back where they were
    assert set(found[:, 0].tolist()) == {0.0, 1.0}


def test_a_cheap_search_proposes_and_the_model_decides() -> None:
    """Planted: the search takes everything from 1 on for a success, which the model denies."""
    true_visits: list[int] = []
    found = first_successes(
        walker(true_visits),
        torch.zeros(1, 1),
        torch.tensor([0]),
        steps=5,
        advance=lambda x, g, rows, taken: x + g.sign(),
        search=walker([], threshold=1.0),
    )
    assert found.item() >= 3
    assert true_visits == [1, 1, 1]  # asked only where the search proposes: at 1, 2 and 3


def test_what_the_model_denies_goes_on_and_loses_no_step() -> None:
    """A search that proposes at every point ends where the search with the model alone does."""
    start, labels = torch.tensor([[0.0], [-4.0], [2.0], [9.0]]), torch.tensor([0, 0, 0, 0])
    options = {"steps": 5, "advance": lambda x, g, rows, taken: x + g.sign()}
    alone = first_successes(walker([]), start, labels, **options)
    eager = walker([], threshold=-100.0)
    for size in (1, 3, 128):
        both = first_successes(walker([]), start, labels, search=eager, batch_size=size, **options)
        assert torch.equal(both, alone)
    assert alone[:, 0].tolist() == [4.0, 1.0, 4.0, 9.0]


def test_a_point_passed_while_steps_still_change_ends_no_path() -> None:
    """Back at 0 after two special steps: the same place, but another step follows."""
    visits: list[int] = []
    sizes = torch.tensor([1.0, -1.0, 5.0])
    found = first_successes(
        walker(visits),
        torch.tensor([[0.0]]),
        torch.tensor([0]),
        steps=4,
        settled=2,
        advance=lambda x, g, rows, taken: x + sizes[taken.clamp_max(2)][:, None],
    )
    assert found.item() == 5.0
    assert sum(visits) == 4


def test_where_the_slope_promises_a_success_the_model_is_asked_before_any_gradient() -> None:
    asked: list[int] = []
    searched: list[int] = []
    found = first_successes(
        walker(asked),
        torch.tensor([[1.0], [-9.0]]),
        torch.tensor([0, 0]),
        steps=3,
        settled=1,
        advance=lambda x, g, rows, taken: x + 3 * g.sign(),
        search=walker(searched),
    )
    assert found[:, 0].tolist() == [4.0, 0.0]
    assert searched == [2, 1, 1]  # no gradient at 4, where the first path ends
    assert asked == [1]


def test_a_promise_that_is_not_kept_ends_no_path() -> None:
    """Planted: the search expects to cross at 3, the model is crossed at 9."""
    found = first_successes(
        walker([], threshold=9.0),
        torch.tensor([[1.0]]),
        torch.tensor([0]),
        steps=3,
        settled=2,
        advance=lambda x, g, rows, taken: x + 3 * g.sign(),
        search=walker([]),
    )
    assert found.item() == 10.0


def test_a_path_that_is_far_too_slow_ends_and_with_more_steps_it_goes_on() -> None:
    """A lead of 6 that falls by 0.02 a step: 35 steps more would not do at eight times the pace."""

    def end(visits: list[int], *, steps: int) -> float:
        return first_successes(
            walker(visits),
            torch.tensor([[0.0]]),
            torch.tensor([0]),
            steps=steps,
            patience=5,
            advance=lambda x, g, rows, taken: x + 0.01 * g.sign(),
        ).item()

    visits: list[int] = []
    assert end(visits, steps=40) < 3
    assert sum(visits) == 6
    assert end([], steps=400) > 3

"""Mirrors auditkit/methods/attacks/nearest.py."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.attacks.nearest import Nearest


def first_leads(points: Tensor) -> Tensor:
    """Class 1 as soon as the first number is above 0.5, whatever the others are."""
    score = 10 * (points.flatten(1)[:, 0] - 0.5)
    return torch.stack([torch.zeros_like(score), score], dim=1)


def test_points_only_come_nearer() -> None:
    inputs, rows = torch.zeros(2, 3), torch.arange(2)
    nearest = Nearest(inputs, torch.tensor([0, 0]), norm="l2", bounds=(0.0, 1.0))
    assert not nearest.found.any()
    assert nearest.offer(rows[:1], torch.full((1, 3), 0.8)).tolist() == [True]
    assert nearest.offer(rows, torch.full((2, 3), 0.9)).tolist() == [False, True]
    assert torch.equal(nearest.points[:, 0], torch.tensor([0.8, 0.9]))
    assert torch.allclose(nearest.distances, torch.tensor([0.8, 0.9]).double() * 3**0.5)


def test_shortening_ends_at_the_boundary_and_in_l0_undoes_what_is_not_needed() -> None:
    inputs, rows = torch.zeros(1, 3), torch.tensor([0])
    for norm, expected in (("linf", [0.5, 0.25, 0.25]), ("l0", [1.0, 0.0, 0.0])):
        nearest = Nearest(inputs, torch.tensor([0]), norm=norm, bounds=(0.0, 1.0))  # type: ignore[arg-type]
        nearest.offer(rows, torch.tensor([[1.0, 0.5, 0.5]]))
        nearest.shorten(first_leads, rows)
        assert torch.allclose(nearest.points[0], torch.tensor(expected), atol=1e-3)
    empty = Nearest(inputs, torch.tensor([0]), norm="l2", bounds=(0.0, 1.0))
    empty.shorten(first_leads, rows)
    assert torch.equal(empty.points, inputs)

"""Mirrors auditkit/methods/attacks/narrowing.py."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.attacks.narrowing import narrow

BOTH = torch.tensor([True, True])


def threshold(points: Tensor) -> Tensor:
    """Class 1 from 1 on."""
    return torch.cat([1 - points, points - 1], dim=1)


def test_the_largest_radius_comes_first_and_what_holds_there_is_left_alone() -> None:
    inputs = torch.tensor([[0.95], [0.5], [-9.0], [2.0]])
    labels = torch.zeros(4, dtype=torch.int64)
    seen: list[tuple[float, list[int], list[float]]] = []

    def shift(rows: Tensor, radius: float, known: Tensor) -> Tensor:
        seen.append((radius, rows.tolist(), [round(x, 2) for x in known[:, 0].tolist()]))
        return inputs[rows] + radius

    correct = torch.tensor([True, True, True, False])
    found = narrow(threshold, inputs, labels, correct, attacks=(shift,), radii=(0.1, 0.6, 0.2))
    assert seen == [
        (0.6, [0, 1, 2], [0.95, 0.5, -9.0]),
        (0.2, [0, 1], [1.55, 1.1]),
        (0.1, [0], [1.15]),
    ]
    assert found.radius.tolist() == [0.1, 0.6, torch.inf, 0.0]
    assert torch.allclose(found.points[:, 0], torch.tensor([1.05, 1.1, -9.0, 2.0]))
    assert found.attack.tolist() == [0, 0, -1, -1]


def test_later_attacks_see_what_earlier_ones_left_and_get_the_credit() -> None:
    inputs, labels = torch.tensor([[0.95], [0.5]]), torch.tensor([0, 0])
    second: list[list[int]] = []

    def weak(rows: Tensor, radius: float, known: Tensor) -> Tensor:
        return inputs[rows] + 0.1

    def strong(rows: Tensor, radius: float, known: Tensor) -> Tensor:
        second.append(rows.tolist())
        return inputs[rows] + 1

    found = narrow(threshold, inputs, labels, BOTH, attacks=(weak, strong), radii=(1.0,))
    assert second == [[1]]
    assert found.radius.tolist() == [1.0, 1.0]
    assert found.attack.tolist() == [0, 1]


def test_what_an_attack_claims_is_judged_again() -> None:
    inputs, labels = torch.tensor([[0.5], [0.7]]), torch.tensor([0, 0])
    nothing = narrow(
        threshold, inputs, labels, BOTH, attacks=(lambda r, e, k: inputs[r] + 0.01,), radii=(1.0,)
    )
    assert nothing.radius.isinf().all()
    assert torch.equal(nothing.points, inputs)
    broken = narrow(
        lambda x: torch.full((len(x), 2), torch.nan),
        inputs,
        labels,
        BOTH,
        attacks=(lambda r, e, k: inputs[r],),
        radii=(1.0,),
    )
    assert broken.radius.isinf().all()

"""Stronger and stronger attacks on the inputs that still hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import judged
from auditkit.models.classifier import Logits

Attack: TypeAlias = Callable[[Tensor, float], Tensor]
"""Maps the rows of the inputs that still hold (m,) and a budget to their perturbed inputs."""


@final
@dataclass(frozen=True)
class Flips:
    """What it took to change each answer."""

    budget: Tensor  # (n,) float64: 0 wrong as it stands, inf never changed
    points: Tensor  # (n, ...) the input at its first change; the clean input elsewhere


def escalate(
    logits: Logits,
    inputs: Tensor,
    labels: Tensor,
    correct: Tensor,
    *,
    attacks: Sequence[Attack],
    budgets: Sequence[float],
    batch_size: int = 128,
) -> Flips:
    """Return the smallest budget at which any attack changes the answer.

    An input that fell to an earlier attack or a smaller budget is not attacked again, so results
    nest: a larger budget or one more attack can only lower the robust accuracy.

    Parameters
    ----------
    logits : callable
        The model in its own precision; every result of an attack is judged again.
    inputs : Tensor
        (n, ...) clean inputs.
    labels : Tensor
        (n,) int64.
    correct : Tensor
        (n,) bool, right before any attack.
    attacks : sequence of Attack
        Tried in this order at each budget.
    budgets : sequence of float
        Tried from the smallest to the largest.
    batch_size : int
        Points per forward pass.
    """
    budget = torch.where(correct, torch.inf, 0.0).double()
    points = inputs.clone()
    for size in sorted(budgets):
        for attack in attacks:
            (held,) = torch.where(budget == torch.inf)
            if len(held) == 0:
                return Flips(budget, points)
            moved = attack(held, size)
            flipped = judged(logits, moved, labels[held], batch_size=batch_size)
            budget[held[flipped]] = size
            points[held[flipped]] = moved[flipped]
    return Flips(budget, points)

"""From the largest radius to the smallest: attacks on what is left, inside what fell before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import judged
from auditkit.models.classifier import Logits

Attack: TypeAlias = Callable[[Tensor, float, Tensor], Tensor]
"""Maps rows (m,), a radius and the points known so far (m, ...) to points within the radius."""


@final
@dataclass(frozen=True)
class Fallen:
    """What it took to change each answer."""

    radius: Tensor  # (n,) float64: 0 wrong as it stands, inf never changed
    points: Tensor  # (n, ...) a misclassified point within that radius; else the clean input
    attack: Tensor  # (n,) int64: which attack found it, -1 where none did


def narrow(
    logits: Logits,
    inputs: Tensor,
    labels: Tensor,
    correct: Tensor,
    *,
    attacks: Sequence[Attack],
    radii: Sequence[float],
    batch_size: int = 128,
) -> Fallen:
    """Return the smallest radius at which any attack changed the answer.

    The largest radius is attacked first. Whatever holds there, against all attacks, counts as
    holding at every smaller one, and costs nothing any more; what fell is attacked again within the
    next smaller radius, from the point that was found. So every input meets all attacks in vain at
    most once, and a larger radius never raises the robust accuracy.

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
        Tried in this order at each radius, each on what the ones before left.
    radii : sequence of float
        At least one.
    batch_size : int
        Points per forward pass.
    """
    radius = torch.where(correct, torch.inf, 0.0).double()
    points, by = inputs.clone(), torch.full_like(labels, -1)
    falling = correct.clone()
    for size in sorted(radii, reverse=True):
        left = falling.clone()
        for number, attack in enumerate(attacks):
            (rows,) = torch.where(left)
            if len(rows) == 0:
                break
            moved = attack(rows, size, points[rows])
            flipped = judged(logits, moved, labels[rows], batch_size=batch_size)
            fallen = rows[flipped]
            radius[fallen], by[fallen] = size, number
            points[fallen] = moved[flipped]
            left[fallen] = False
        falling &= ~left
    return Fallen(radius, points, by)

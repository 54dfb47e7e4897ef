"""Steps along the sign of the gradient within the reach of each row of a table."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import (
    CLEARLY,
    judged,
    misclassified,
    scores_and_gradients,
)
from auditkit.methods.attacks.reach import Reach
from auditkit.models.classifier import Logits


def ascend(
    logits: Logits,
    reach: Reach,
    points: Tensor,
    labels: Tensor,
    *,
    steps: int,
    free: Tensor | None = None,
    batch_size: int = 128,
) -> tuple[Tensor, Tensor]:
    """Return misclassified points (n, c), and which rows have one (n,).

    Every step goes along the sign of the gradient by a falling share of each number's interval,
    the first across all of it; whole numbers are rounded for the model to see, and only what it has
    seen counts. Step t is the same however many follow, so that more steps find no less.

    Parameters
    ----------
    logits : callable
        The model.
    reach : Reach
        What the rows can become.
    points : Tensor
        (n, c) where to start, all within reach.
    labels : Tensor
        (n,) int64.
    steps : int
        Gradients per row.
    free : Tensor, optional
        (n, c) bool, which of the numbers move; all by default.
    batch_size : int
        Rows per forward pass.

    References
    ----------
    Madry et al., 2018, arXiv:1706.06083, section 2.1.
    """
    free = reach.numbers if free is None else reach.numbers & free
    found = points.clone()
    fallen = torch.zeros(len(points), dtype=torch.bool, device=points.device)
    inner = points.clone()  # not rounded
    active = free.any(dim=1).nonzero()[:, 0]
    for step in range(steps):
        if len(active) == 0:
            break
        held: list[Tensor] = []
        for rows in active.split(batch_size):
            seen = reach.at(rows).nearest(inner[rows], free[rows])
            slopes = scores_and_gradients(logits, seen, labels[rows])
            wrong = misclassified(slopes.scores, labels[rows], margin=CLEARLY)
            found[rows[wrong]], fallen[rows[wrong]] = seen[wrong], True
            inner[rows] = _moved(reach.at(rows), inner[rows], slopes.gradients, free[rows], step)
            held.append(rows[~wrong])
        active = torch.cat(held)
    last = reach.at(active).nearest(inner[active], free[active])
    wrong = judged(logits, last, labels[active], batch_size=batch_size)
    found[active[wrong]], fallen[active[wrong]] = last[wrong], True
    return found, fallen


def _moved(reach: Reach, points: Tensor, gradients: Tensor, free: Tensor, step: int) -> Tensor:
    size = (reach.high - reach.low) / (step + 1)
    moved = points + size * gradients.nan_to_num().sign()
    inside = torch.minimum(torch.maximum(moved, reach.low), reach.high)
    return torch.where(free, inside, points)

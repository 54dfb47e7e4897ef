"""Ascent towards each of the likeliest other classes; the promising ones get most of the steps."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.attacks.apgd import FIRST_ROUND, Ascent, apgd
from auditkit.methods.attacks.ball import Ball
from auditkit.methods.attacks.losses import TargetedRatio, likeliest_others
from auditkit.models.classifier import Logits

CLASSES = 9  # other classes that are tried
KEPT = 3  # of them that are tried for longer
LONGER = 6  # times the first round


def targeted_apgd(
    logits: Logits,
    labels: Tensor,
    *,
    ball: Ball,
    start: Tensor,
    classes: int = CLASSES,
    kept: int = KEPT,
    search: Logits | None = None,
    batch_size: int = 128,
) -> Tensor:
    """Return misclassified points of a ball; of inputs that hold, the first points.

    Every class gets one short round; the `kept` ones whose loss came highest go on from there.

    Parameters
    ----------
    logits : callable
        The model in its own precision; it alone judges.
    labels : Tensor
        (n,) int64.
    ball : Ball
        Where the attack may go; its inputs are those to attack.
    start : Tensor
        (n, ...) first points, within the ball.
    classes : int
        Other classes that are tried, the likeliest at the inputs themselves.
    kept : int
        How many of them are tried for longer.
    search : callable, optional
        The model in a cheaper precision.
    batch_size : int
        Points per forward pass.

    References
    ----------
    Croce and Hein, 2020, arXiv:2003.01690, section 4; the race is ours.
    """
    n = len(labels)
    with torch.no_grad():
        parts = [logits(part) for part in ball.inputs.split(batch_size)]
    others = likeliest_others(torch.cat(parts), labels, classes)  # (n, t)
    found = start.clone()
    held = torch.ones(n, dtype=torch.bool, device=labels.device)
    losses = torch.full(others.shape, -torch.inf, device=labels.device)
    points = [start] * others.shape[1]

    def ascend(rows: Tensor, targets: Tensor, first: Tensor, steps: int) -> Ascent:
        wanted = torch.zeros_like(labels)
        wanted[rows] = targets
        loss = TargetedRatio(wanted)
        return apgd(
            logits,
            labels[rows],
            ball=ball.of(rows),
            start=first,
            steps=steps,
            loss=lambda scores, truth, mine: loss(scores, truth, rows[mine]),
            search=search,
            batch_size=batch_size,
        )

    def take(rows: Tensor, ascent: Ascent) -> None:
        found[rows[ascent.fooled]] = ascent.points[ascent.fooled]
        held[rows[ascent.fooled]] = False

    for j in range(others.shape[1]):
        (rows,) = torch.where(held)
        ascent = ascend(rows, others[rows, j], start[rows], FIRST_ROUND)
        points[j] = start.clone()
        points[j][rows], losses[rows, j] = ascent.points, ascent.losses
        take(rows, ascent)
    order = losses.argsort(dim=1, descending=True, stable=True)  # (n, t)
    reached = torch.stack(points, dim=1)  # (n, t, ...)
    for j in range(min(kept, others.shape[1])):
        (rows,) = torch.where(held)
        best = order[rows, j]
        take(rows, ascend(rows, others[rows, best], reached[rows, best], LONGER * FIRST_ROUND))
    return found

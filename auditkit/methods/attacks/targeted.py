"""Ascent towards each of the likeliest other classes; the promising ones get most of the steps."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.attacks.apgd import apgd
from auditkit.methods.attacks.ball import Ball
from auditkit.methods.attacks.losses import TargetedRatio, likeliest_others
from auditkit.models.classifier import Logits

CLASSES = 9  # other classes that are tried
KEPT = 3  # of them that are tried for longer
SHORT, LONG = 12, 72  # steps


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

    Every class gets one short race; the `kept` ones whose loss came highest get a long one.

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

    def race(rows: Tensor, places: Tensor, steps: int) -> None:
        """Ascend from the starts of some rows (m,) towards the classes at some places (m,)."""
        loss = TargetedRatio(others[rows, places])
        ascent = apgd(
            logits,
            labels[rows],
            ball=ball.of(rows),
            start=start[rows],
            steps=steps,
            first_round=steps,
            loss=loss,
            search=search,
            batch_size=batch_size,
        )
        losses[rows, places] = ascent.losses
        found[rows[ascent.fooled]] = ascent.points[ascent.fooled]
        held[rows[ascent.fooled]] = False

    def heats(order: Tensor, steps: int) -> None:
        """Race towards the first class of an order (n, t), then, of what held, all others."""
        for part in (order[:, :1], order[:, 1:]):
            (rows,) = torch.where(held)
            if part.shape[1] > 0 and len(rows) > 0:
                for some in rows.split(max(1, batch_size // part.shape[1])):
                    race(some.repeat_interleave(part.shape[1]), part[some].flatten(), steps)

    heats(torch.arange(others.shape[1], device=labels.device).expand(n, -1), SHORT)
    best = losses.argsort(dim=1, descending=True, stable=True)
    heats(best[:, :kept], LONG)
    return found

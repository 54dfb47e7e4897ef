"""Gradient ascent that remembers where it came from, on the inputs that still hold."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import (
    CLEARLY,
    judged,
    misclassified,
    scores_and_gradients,
)
from auditkit.methods.attacks.ball import Ball
from auditkit.methods.attacks.hyperplane import size_of
from auditkit.methods.attacks.nearest import scaled
from auditkit.models.classifier import Logits

STEP = 0.1  # radii
_TINY = 1e-37  # its inverse is finite in float32


def momentum(
    logits: Logits,
    labels: Tensor,
    *,
    ball: Ball,
    steps: int,
    decay: float = 1.0,
    search: Logits | None = None,
    batch_size: int = 128,
) -> Tensor:
    """Return points of a ball: the first that is misclassified, or the last that was reached.

    Every step goes a tenth of the radius along the sum of all gradients so far, each scaled to
    absolute sum 1, older ones weighing less. The step does not depend on the number of steps, so
    that more of them continue the same path and never lose a success.

    Parameters
    ----------
    logits : callable
        The model in its own precision; it alone judges.
    labels : Tensor
        (n,) int64.
    ball : Ball
        Where the attack may go; it starts at the inputs themselves.
    steps : int
        Gradient steps per input.
    decay : float
        What a gradient weighs one step later, 0 to 1.
    search : callable, optional
        The model in a cheaper precision; what it takes for a success is judged again.
    batch_size : int
        Points per forward pass.

    References
    ----------
    Dong et al., 2018, arXiv:1710.06081, algorithm 1.
    """
    points, gathered = ball.inputs.clone(), torch.zeros_like(ball.inputs)
    active = torch.arange(len(labels), device=labels.device)
    for _ in range(steps):
        held: list[Tensor] = []
        for batch in active.split(batch_size):
            slopes = scores_and_gradients(search or logits, points[batch], labels[batch])
            fooled = misclassified(slopes.scores, labels[batch], margin=CLEARLY)
            if search is not None and fooled.any():
                fooled[fooled.clone()] = judged(
                    logits, points[batch][fooled], labels[batch][fooled]
                )
            rows, gradients = batch[~fooled], torch.nan_to_num(slopes.gradients[~fooled])
            scale = 1 / size_of("l1", gradients).clamp_min(_TINY)
            gathered[rows] = decay * gathered[rows] + gradients * scaled(scale, gradients)
            points[rows] = ball.project(points[rows] + STEP * ball.direction(gathered[rows]), rows)
            held.append(rows)
        active = torch.cat(held) if held else active
        if len(active) == 0:
            break
    return points

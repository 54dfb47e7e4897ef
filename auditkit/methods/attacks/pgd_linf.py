"""Projected gradient descent in the Linf ball, on the inputs that still hold."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import first_successes
from auditkit.methods.attacks.ball import linf_ball
from auditkit.models.classifier import Logits


def pgd_linf(
    logits: Logits,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilon: float,
    steps: int,
    start: Tensor,
    bounds: tuple[float, float],
    search: Logits | None = None,
    batch_size: int = 128,
) -> Tensor:
    """Return points of the ball: the first that is misclassified, or the last that was reached.

    The step is epsilon / 4 whatever the number of steps, so that more steps continue the same path
    and never lose a success.

    Parameters
    ----------
    logits : callable
        The model in its own precision; it alone judges.
    inputs : Tensor
        (n, ...) clean inputs within the bounds, all classified correctly.
    labels : Tensor
        (n,) int64.
    epsilon : float
        Radius in input units.
    steps : int
        Gradient steps per input.
    start : Tensor
        (n, ...) first point of each path as a share of epsilon, in [-1, 1].
    bounds : (low, high)
        Range of an input value.
    search : callable, optional
        The model in a cheaper precision; what it takes for a success is judged again.
    batch_size : int
        Points per forward pass.

    References
    ----------
    Madry et al., 2018, arXiv:1706.06083, section 2.1.
    """
    box = linf_ball(inputs, epsilon=epsilon, bounds=bounds)

    def advance(points: Tensor, gradients: Tensor, rows: Tensor) -> Tensor:
        signs = torch.nan_to_num(gradients).sign()
        return box.clamp(points + (epsilon / 4) * signs, rows)

    return first_successes(
        logits,
        box.clamp(inputs + epsilon * start),
        labels,
        steps=steps,
        advance=advance,
        search=search,
        batch_size=batch_size,
    )

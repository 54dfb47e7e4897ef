"""Projected gradient descent in the Linf ball, on the inputs that still hold."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import first_successes
from auditkit.methods.attacks.ball import linf_ball
from auditkit.models.classifier import Logits

_FIRST, _THEN = (2.0, 1.0, 1.0, 0.5, 0.5), 0.25  # steps in radii


def pgd_linf(
    logits: Logits,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilon: float,
    steps: int,
    start: Tensor,
    bounds: tuple[float, float],
    patience: int | None = 12,
    search: Logits | None = None,
    batch_size: int = 128,
) -> Tensor:
    """Return points of the ball: the first that is misclassified, or the last that was reached.

    The first steps cross the ball, 2, 1, 1, 1/2 and 1/2 epsilon long, because most inputs fall at
    its corners; all others are epsilon / 4. Sizes do not depend on the number of steps, so that
    more steps continue the same path and never lose a success.

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
    patience : int, optional
        Steps over which an input's pace is taken; its path ends where even eight times that pace
        would not do. None for all steps. Of 3,300 paths of 40 steps on ten networks, one fell after
        that.
    search : callable, optional
        The model in a cheaper precision; what it takes for a success is judged again.
    batch_size : int
        Points per forward pass.

    References
    ----------
    Madry et al., 2018, arXiv:1706.06083, section 2.1.
    """
    box = linf_ball(inputs, epsilon=epsilon, bounds=bounds)

    sizes = epsilon * torch.tensor([*_FIRST, _THEN], dtype=inputs.dtype, device=inputs.device)

    def advance(points: Tensor, gradients: Tensor, rows: Tensor, taken: Tensor) -> Tensor:
        size = sizes[taken.clamp_max(len(_FIRST))].view(-1, *[1] * (points.ndim - 1))
        return box.clamp(points + size * torch.nan_to_num(gradients).sign(), rows)

    return first_successes(
        logits,
        box.clamp(inputs + epsilon * start),
        labels,
        steps=steps,
        advance=advance,
        settled=len(_FIRST),
        patience=patience,
        search=search,
        batch_size=batch_size,
    )

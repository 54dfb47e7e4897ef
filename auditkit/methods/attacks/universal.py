"""One change for all inputs: gradient ascent on the mean loss, within an Linf ball."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import judged, scores_and_gradients
from auditkit.methods.attacks.ball import linf_ball
from auditkit.methods.attacks.losses import capped_log_odds
from auditkit.models.classifier import Logits


def universal_linf(
    logits: Logits,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilon: float,
    bounds: tuple[float, float],
    start: Tensor,
    steps: int,
    search: Logits | None = None,
    batch_size: int = 128,
) -> Tensor:
    """Return the change (...) that misclassified the most inputs of all on the way.

    Each step follows the sign of the mean gradient of one batch; the batches take turns, and the
    step shrinks from a quarter of epsilon to nothing each time all batches had ten turns. Inputs
    whose log odds against the label exceed `CAP` pull no more, as in the clipped loss of the paper.
    The path does not depend on how many steps follow: more of them never misclassify fewer.

    Parameters
    ----------
    logits : callable
        The model in its own precision; it alone counts successes.
    inputs : Tensor
        (n, ...) inputs within the bounds, correctly classified ones are enough.
    labels : Tensor
        (n,) int64.
    epsilon : float
        Radius in input units.
    bounds : (low, high)
        Range of an input value.
    start : Tensor
        (...) first change, within the radius.
    steps : int
        Gradient steps.
    search : callable, optional
        The model in a cheaper precision, for gradients alone.
    batch_size : int
        Inputs per step and per forward pass.

    References
    ----------
    Shafahi et al., 2020, arXiv:1811.11304, section 3. Moosavi-Dezfooli et al., 2017,
    arXiv:1610.08401.
    """
    box = linf_ball(inputs, epsilon=epsilon, bounds=bounds)
    batches = torch.arange(len(inputs), device=inputs.device).split(batch_size)
    turn = _TURNS * len(batches)  # steps until the step is large again

    def count(change: Tensor) -> int:
        points = box.clamp(inputs + change)
        return int(judged(logits, points, labels, batch_size=batch_size).sum())

    change = best = start.clamp(-epsilon, epsilon)
    most = count(best)
    for step in range(steps if len(inputs) else 0):
        rows = batches[step % len(batches)]
        points = box.clamp(inputs[rows] + change, rows)
        slopes = scores_and_gradients(search or logits, points, labels[rows], loss=capped_log_odds)
        direction = torch.nan_to_num(slopes.gradients).mean(dim=0).sign()
        size = epsilon / 4 * (1 - (step % turn) / turn)
        change = (change + size * direction).clamp(-epsilon, epsilon)
        if (found := count(change)) > most:
            best, most = change, found
    return best


_TURNS = 10

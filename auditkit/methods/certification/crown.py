"""CROWN: linear bounds, carried backward from the outputs to the inputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from auditkit.methods.certification.balls import Inputs
from auditkit.methods.certification.box import Interval
from auditkit.methods.certification.operations import Operation, total


def lower_bounds(
    operations: Sequence[Operation | None],
    boxes: Sequence[Interval],
    inputs: Inputs,
    weights: Tensor,
    *,
    start: int,
    relaxed: bool = True,
) -> Tensor:
    """Return lower bounds (s,) of s combinations of one step's outputs, for all inputs of a ball.

    Every operation is replaced by a line below or above it, whichever the sign of its weight asks
    for, until only inputs are left. Where an operation has no lines the bound ends in its interval.
    What the model's rounding can change is taken off at every step.

    Parameters
    ----------
    operations : sequence
        The rules of every step, None for the input.
    boxes : sequence of Interval
        What the numbers of every step can be; the lines depend on them.
    inputs : Inputs
        The ball around one input.
    weights : Tensor
        (s, 1, ...), float64: what each combination weighs the outputs with.
    start : int
        The step whose outputs these are.
    relaxed : bool
        False: every operation but sums of products ends in its interval.

    References
    ----------
    Zhang et al., 2018, arXiv:1811.00866, section 3; Xu et al., 2020, arXiv:2002.12920 (graphs).
    """
    pending: dict[int, Tensor] = {start: weights}
    found = torch.zeros(len(weights), dtype=torch.float64, device=weights.device)
    for number in range(start, -1, -1):
        if number not in pending:
            continue
        here = pending.pop(number)
        operation = operations[number]
        if operation is None:
            found = found + inputs.least(here)
            continue
        read = [boxes[parent] for parent in operation.step.parents]
        pulled = operation.pull(here, read) if relaxed or operation.affine else None
        if pulled is None:
            found = found + _within(here, boxes[number])
            continue
        lost = operation.slack(read, boxes[number]).expand(here.shape[1:]).clamp(max=1e300)
        found = found + pulled.constant - total(here.abs() * lost)
        for parent, back in zip(operation.step.parents, pulled.weights, strict=True):
            pending[parent] = pending[parent] + back if parent in pending else back
    return found.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)


def _within(weights: Tensor, box: Interval) -> Tensor:
    """Return the least value (s,) of combinations of numbers in a box."""
    low, high = box.low.clamp(-1e300, 1e300), box.high.clamp(-1e300, 1e300)
    least = weights.clamp_min(0) * low + weights.clamp_max(0) * high
    return total(least - 1e-11 * least.abs())

"""CROWN: linear bounds, carried backward from the outputs to the inputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from auditkit.methods.certification.balls import Inputs
from auditkit.methods.certification.box import Interval
from auditkit.methods.certification.operations import Operation, per_input


def lower_bounds(
    operations: Sequence[Operation | None],
    boxes: Sequence[Interval],
    inputs: Inputs,
    weights: Tensor,
    *,
    start: int,
    relaxed: bool = True,
) -> Tensor:
    """Return lower bounds (s, n) of s combinations of one step's outputs, for all inputs of a ball.

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
        The balls around n inputs.
    weights : Tensor
        (s, n, ...), float64: each combination weighs the outputs of input i by weights[:, i].
    start : int
        The step whose outputs these are.
    relaxed : bool
        False: every operation but sums of products ends in its interval.

    References
    ----------
    Zhang et al., 2018, arXiv:1811.00866, section 3; Xu et al., 2020, arXiv:2002.12920 (graphs).
    """
    pending: dict[int, Tensor] = {start: weights}
    total = torch.zeros(weights.shape[:2], dtype=torch.float64, device=weights.device)
    for number in range(start, -1, -1):
        if number not in pending:
            continue
        here = pending.pop(number)
        operation = operations[number]
        if operation is None:
            total = total + inputs.least(here)
            continue
        read = [boxes[parent] for parent in operation.step.parents]
        pulled = None
        rows = all(_batch_first(operations[parent]) for parent in operation.step.parents)
        if rows and (relaxed or operation.affine):
            pulled = operation.pull(here, read)
        if pulled is None:
            total = total + _within(here, boxes[number])
            continue
        lost = operation.slack(read, boxes[number]).expand(here.shape[1:]).clamp(max=1e300)
        total = total + pulled.constant - per_input(here.abs() * lost)
        for parent, back in zip(operation.step.parents, pulled.weights, strict=True):
            pending[parent] = pending[parent] + back if parent in pending else back
    return total.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)


def _batch_first(operation: Operation | None) -> bool:
    return operation is None or operation.step.batch_first


def _within(weights: Tensor, box: Interval) -> Tensor:
    """Return the least value (s, n) of combinations of numbers in a box."""
    low, high = box.low.clamp(-1e300, 1e300), box.high.clamp(-1e300, 1e300)
    least = weights.clamp_min(0) * low + weights.clamp_max(0) * high
    return per_input(least - 1e-11 * least.abs())

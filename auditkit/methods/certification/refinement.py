"""Tighter intervals inside a network: linear bounds of every number that a line depends on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from auditkit.methods.certification.balls import Inputs
from auditkit.methods.certification.box import Interval
from auditkit.methods.certification.crown import lower_bounds
from auditkit.methods.certification.operations import Operation

NUMBERS = 16_000_000  # float64 numbers of one set of weights: 128 MB


def refined_bounds(
    operations: Sequence[Operation | None],
    boxes: Sequence[Interval],
    inputs: Inputs,
    *,
    effort: float,
) -> list[Interval]:
    """Return intervals of every step, with linear bounds where lines depend on them.

    Step by step from the inputs on: each profits from those before it. What is bounded better than
    needed, such as the input of a ReLU that is known to be positive, costs nothing.

    Parameters
    ----------
    operations : sequence
        The rules of every step, None for the input.
    boxes : sequence of Interval
        From interval bound propagation.
    inputs : Inputs
        The ball around one input.
    effort : float
        Multiplications that all of it may cost; a step that would cost more than is left keeps its
        interval.
    """
    found: list[Interval] = []
    left = effort
    for number, operation in enumerate(operations):
        if operation is None:
            found.append(boxes[number])
            continue
        read = [found[parent] for parent in operation.step.parents]
        here = operation.bounded(read).within(boxes[number])
        wanted = _wanted(operations, number, here)
        if wanted is not None and wanted.any():
            cost = 2 * _cost(operations, number) * int(wanted.sum())
            if cost <= left:
                left -= cost
                here = _tightened(operations, [*found, here], inputs, wanted)
        found.append(here)
    return found


def _wanted(operations: Sequence[Operation | None], number: int, box: Interval) -> Tensor | None:
    """Return which numbers of a step a line depends on; None where there is none."""
    operation = operations[number]
    if operation is None or _linear_so_far(operations, number):
        return None
    wanted: Tensor | None = None
    for reader in operations:
        if reader is not None and number in reader.step.parents and not reader.affine:
            more = reader.open(box)
            wanted = more if wanted is None else wanted | more
    return wanted


def _linear_so_far(operations: Sequence[Operation | None], number: int) -> bool:
    """Say whether only sums of products lie before, of which at most one mixes numbers."""
    mixing = 0
    while (operation := operations[number]) is not None:
        if not operation.affine or len(operation.step.parents) != 1:
            return False
        mixing += operation.mixes
        number = operation.step.parents[-1]
    return mixing <= 1


def _cost(operations: Sequence[Operation | None], number: int) -> float:
    """Return the multiplications that carry one combination back to the inputs."""
    seen, waiting, cost = set[int](), [number], 0.0
    while waiting:
        one = waiting.pop()
        operation = operations[one]
        if one in seen or operation is None:
            continue
        seen.add(one)
        cost += operation.cost
        waiting += operation.step.parents
    return cost


def _tightened(
    operations: Sequence[Operation | None],
    boxes: Sequence[Interval],
    inputs: Inputs,
    wanted: Tensor,
) -> Interval:
    """Return the last box with linear bounds of the wanted numbers."""
    number = len(boxes) - 1
    (chosen,) = torch.where(wanted.flatten())
    low, high = boxes[-1].low.flatten().clone(), boxes[-1].high.flatten().clone()
    largest = max(math.prod(one.low.shape) for one in boxes)
    for some in chosen.split(max(1, NUMBERS // (2 * largest))):
        ones = torch.zeros(len(some), len(low), dtype=low.dtype, device=low.device)
        ones[torch.arange(len(some)), some] = 1.0
        both = torch.cat([ones, -ones]).view(-1, *boxes[-1].low.shape)
        ends = lower_bounds(operations, boxes, inputs, both, start=number)
        low[some] = torch.maximum(low[some], ends[: len(some)])
        high[some] = torch.minimum(high[some], -ends[len(some) :])
    shape = boxes[-1].low.shape
    return Interval(low.view(shape), torch.maximum(low, high).view(shape))

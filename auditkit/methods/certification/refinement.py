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
        The balls around n inputs.
    effort : float
        Multiplications that one step may cost per input; an input for which a step would cost more
        keeps its interval there.
    """
    found: list[Interval] = []
    for number, operation in enumerate(operations):
        if operation is None:
            found.append(boxes[number])
            continue
        read = [found[parent] for parent in operation.step.parents]
        here = operation.bounded(read).within(boxes[number])
        wanted = _wanted(operations, number, here)
        if wanted is not None:
            cost = 2 * _cost(operations, number)
            wanted &= (wanted.flatten(1).sum(dim=1) * cost <= effort).view(
                -1, *[1] * (wanted.ndim - 1)
            )
            if wanted.any():
                here = _tightened(operations, [*found, here], inputs, wanted)
        found.append(here)
    return found


def _wanted(operations: Sequence[Operation | None], number: int, box: Interval) -> Tensor | None:
    """Return which numbers of a step (n, ...) a line depends on; None where there is none."""
    operation = operations[number]
    if operation is None or not operation.step.batch_first or _linear_so_far(operations, number):
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
    """Return the last box with linear bounds of the wanted numbers (n, ...)."""
    number = len(boxes) - 1
    flat = wanted.flatten(1)
    n, size = flat.shape
    counts = flat.sum(dim=1)
    order = flat.to(torch.int8).argsort(dim=1, descending=True, stable=True)  # wanted ones first
    low, high = boxes[-1].low.flatten(1).clone(), boxes[-1].high.flatten(1).clone()
    largest = max(math.prod(one.low.shape) for one in boxes)
    piece = max(1, NUMBERS // (2 * largest))
    for first in range(0, int(counts.max()), piece):
        chosen = order[:, first : min(first + piece, int(counts.max()))]  # (n, s)
        used = torch.arange(first, first + chosen.shape[1], device=counts.device) < counts[:, None]
        ones = torch.zeros(chosen.shape[1], n, size, dtype=torch.float64, device=low.device)
        ones.scatter_(2, chosen.T[:, :, None], used.T[:, :, None].double())
        both = torch.cat([ones, -ones]).view(-1, *boxes[-1].low.shape)
        ends = lower_bounds(operations, boxes, inputs, both, start=number)  # (2 s, n)
        below, above = ends[: len(ones)].T, -ends[len(ones) :].T
        below, above = below.where(used, -torch.inf), above.where(used, torch.inf)
        low.scatter_(1, chosen, torch.maximum(low.gather(1, chosen), below))
        high.scatter_(1, chosen, torch.minimum(high.gather(1, chosen), above))
    shape = boxes[-1].low.shape
    return Interval(low.view(shape), torch.maximum(low, high).view(shape))

"""Interval bound propagation: from a box of inputs, forward, to a box of every layer's outputs."""

from __future__ import annotations

from collections.abc import Sequence

from auditkit.methods.certification.box import Interval
from auditkit.methods.certification.operations import Operation


def interval_bounds(
    operations: Sequence[Operation | None], box: Interval, *, upto: int | None = None
) -> list[Interval]:
    """Return intervals of the numbers that the model computes, after every step.

    They hold for the model's own floating-point numbers, whatever the order in which it adds:
    every step is widened by a bound on its rounding, and on that of the bounds themselves.

    Parameters
    ----------
    operations : sequence
        The rules of every step, None for the input.
    box : Interval
        (n, ...) the inputs.
    upto : int, optional
        The last step to look at.

    References
    ----------
    Gowal et al., 2018, arXiv:1810.12715, section 3.
    """
    boxes: list[Interval] = []
    for operation in operations[: None if upto is None else upto + 1]:
        if operation is None:
            boxes.append(box)
        else:
            read = [boxes[parent] for parent in operation.step.parents]
            boxes.append(operation.bounded(read))
    return boxes

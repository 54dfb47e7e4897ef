"""Slopes of a score at numbers inside a network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def slopes_at(score: Tensor, values: Sequence[Tensor]) -> list[Tensor | None]:
    """Return the slope of a score at each tensor; None where the score is not made from it.

    The graph is kept for more. Slopes that are not finite, as at the foot of a root, become 0.

    Examples
    --------
    >>> inner, other = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    >>> slopes_at((3 * inner).sum(), [inner, other])
    [tensor([3., 3.]), None]
    """
    able = [one for one in values if one.requires_grad and score.requires_grad]
    if not able:
        return [None] * len(values)
    found = iter(torch.autograd.grad(score, able, retain_graph=True, allow_unused=True))
    slopes: list[Tensor | None] = [next(found) if one.requires_grad else None for one in values]
    return [None if one is None else one.nan_to_num(0.0, 0.0, 0.0) for one in slopes]

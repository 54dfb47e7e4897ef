"""The points an attacker may use: an Linf ball around each input, cut at the input's bounds."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Box(NamedTuple):
    """The lowest and highest value that each number of an input may take."""

    low: Tensor  # (n, ...)
    high: Tensor  # (n, ...)

    def clamp(self, points: Tensor, rows: Tensor | slice = slice(None)) -> Tensor:
        """Return points moved to the nearest one inside the box of the given rows."""
        return torch.clamp(points, self.low[rows], self.high[rows])


def linf_ball(inputs: Tensor, *, epsilon: float, bounds: tuple[float, float]) -> Box:
    """Return the box of all points x' with |x' - x| <= epsilon and within the bounds.

    Both ends are computed in float64 and rounded towards the input, so that no point between them
    leaves the ball, not even by rounding.

    Parameters
    ----------
    inputs : Tensor
        (n, ...) inputs within the bounds.
    epsilon : float
        Radius in input units, at least 0.
    bounds : (low, high)
        Range of an input value.

    Examples
    --------
    >>> box = linf_ball(torch.tensor([[0.5, 0.95]]), epsilon=0.1, bounds=(0.0, 1.0))
    >>> [[round(x, 4) for x in side[0].tolist()] for side in box]
    [[0.4, 0.85], [0.6, 1.0]]
    """
    exact = inputs.double()
    low = (exact - epsilon).clamp(min=bounds[0])
    high = (exact + epsilon).clamp(max=bounds[1])
    up, down = torch.tensor(torch.inf).to(inputs), torch.tensor(-torch.inf).to(inputs)
    low_rounded, high_rounded = low.to(inputs.dtype), high.to(inputs.dtype)
    return Box(
        torch.where(low_rounded < low, torch.nextafter(low_rounded, up), low_rounded),
        torch.where(high_rounded > high, torch.nextafter(high_rounded, down), high_rounded),
    )

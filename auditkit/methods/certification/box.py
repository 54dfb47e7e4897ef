"""Intervals of tensors: a lowest and a highest value for every number, in float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, final

import torch
from torch import Tensor


@final
@dataclass(frozen=True)
class Interval:
    """What the numbers of a tensor can be."""

    low: Tensor  # float64
    high: Tensor  # float64, same shape

    @property
    def middle(self) -> Tensor:
        """Return the middles."""
        return (self.low + self.high) / 2

    @property
    def radius(self) -> Tensor:
        """Return the least radii about the middles that hold the intervals, rounded up."""
        middle = self.middle
        return torch.maximum(self.high - middle, middle - self.low) * (1 + 2.0**-50)

    @property
    def size(self) -> Tensor:
        """Return the largest absolute values."""
        return torch.maximum(self.low.abs(), self.high.abs())

    def widened(self, by: Tensor | float) -> Self:
        """Return intervals that reach further on both sides."""
        return type(self)(self.low - by, self.high + by)

    def within(self, other: Interval) -> Interval:
        """Return what two true statements about the same numbers leave together."""
        low = torch.maximum(self.low, other.low)
        high = torch.minimum(self.high, other.high)
        return Interval(low, torch.maximum(high, low))

    def settled(self, dtype: torch.dtype) -> Self:
        """Return the same, unbounded where nothing is known or the model's numbers overflow."""
        largest = torch.finfo(dtype).max
        low = self.low.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
        high = self.high.nan_to_num(nan=torch.inf, posinf=torch.inf, neginf=-torch.inf)
        over = (low < -largest) | (high > largest)
        return type(self)(low.masked_fill(over, -torch.inf), high.masked_fill(over, torch.inf))


def point(values: Tensor) -> Interval:
    """Return intervals that hold one number each."""
    exact = values.double()
    return Interval(exact, exact)

"""All inputs within a radius: the least value that a combination of their numbers can have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, final

import torch
from torch import Tensor

from auditkit.methods.certification.box import Interval
from auditkit.methods.certification.operations import total

Norm: TypeAlias = Literal["linf", "l2"]


@final
@dataclass(frozen=True)
class Inputs:
    """A ball around one input, cut at the bounds.

    Parameters
    ----------
    centre : Tensor
        (1, ...) float64.
    box : Interval
        (1, ...) the bounds of every number; for L2 a box around the ball.
    epsilon : float
        Radius in input units.
    norm : Norm
        What it measures.
    """

    centre: Tensor
    box: Interval
    epsilon: float
    norm: Norm

    @classmethod
    def around(
        cls, centres: Tensor, *, epsilon: float, norm: Norm, bounds: tuple[float, float]
    ) -> Inputs:
        """Return the ball around an input (1, ...) within the bounds, rounded outward."""
        exact = centres.double()
        reach = epsilon * (1 + 2.0**-50)
        low, high = (exact - reach).clamp_min(bounds[0]), (exact + reach).clamp_max(bounds[1])
        wider = 2.0**-52 * (exact.abs() + reach)
        return cls(exact, Interval(low - wider, high + wider), reach, norm)

    def least(self, weights: Tensor) -> Tensor:
        """Return lower bounds (s,) of combinations with weights (s, 1, ...)."""
        size = total(weights.abs() * self.box.size)
        own = (weights[0].numel() + 8) * 2.0**-52 * size
        corner = weights.clamp_min(0) * self.box.low + weights.clamp_max(0) * self.box.high
        least = total(corner)
        if self.norm == "l2":  # the dual norm; the bounds of the inputs may still say more
            lengths = weights.flatten(1).norm(dim=1) * (1 + 1e-9)
            least = torch.maximum(least, total(weights * self.centre) - self.epsilon * lengths)
        return least - own

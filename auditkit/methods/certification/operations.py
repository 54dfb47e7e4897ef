"""What bounds need to know of one operation: its intervals, and lines below and above it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from auditkit.methods.certification.box import Interval
from auditkit.methods.certification.rounding import OWN
from auditkit.methods.certification.tracing import Step

Function = Callable[..., Tensor]


@final
@dataclass(frozen=True)
class Pulled:
    """A lower bound on a combination of outputs, as one on combinations of what was read."""

    weights: tuple[Tensor, ...]  # per parent (s, *shape)
    constant: Tensor  # (s,), without rounding


class Operation(ABC):
    """One step with its rules; bounds are of the numbers that the model computes.

    Parameters
    ----------
    step : Step
        What is computed.
    """

    affine: bool = False  # only sums of products with constants: its lines are exact
    mixes: bool = True  # whether an output depends on several numbers that vary
    cost: float = 0.0  # multiplications per input

    def __init__(self, step: Step) -> None:
        self.step = step

    def open(self, box: Interval) -> Tensor:
        """Return which numbers that it reads would make it tighter if they were known better."""
        return box.high > box.low

    @abstractmethod
    def interval(self, boxes: Sequence[Interval]) -> Interval:
        """Return intervals of the exact outputs for any values in the boxes of the parents."""

    @abstractmethod
    def error(self, boxes: Sequence[Interval]) -> Tensor:
        """Return how far computed outputs can be from exact ones; broadcasts to the outputs."""

    def bounded(self, boxes: Sequence[Interval]) -> Interval:
        """Return intervals of the outputs that the model computes."""
        exact = self.interval(boxes)
        own = OWN * exact.size
        return exact.widened(own + self.error(boxes)).settled(self.step.dtype)

    def pull(self, weights: Tensor, boxes: Sequence[Interval]) -> Pulled | None:  # noqa: ARG002
        """Return the bound one operation further back; None where there are only intervals.

        Parameters
        ----------
        weights : Tensor
            (s, *shape), s combinations of the outputs.
        boxes : sequence of Interval
            Of the parents.
        """
        return None

    def slack(self, boxes: Sequence[Interval], own: Interval) -> Tensor:
        """Return what a combination loses per unit of absolute weight: rounding, theirs and ours.

        Every output may differ by the model's rounding. Ours, in multiplying weights and adding
        them up, is far smaller, and is counted in the same way: the weights times the numbers
        that they multiply.
        """
        return (self.error(boxes) + 4 * OWN * own.size) * (1 + 1e-6)


def total(values: Tensor) -> Tensor:
    """Return sums (s,) of values (s, ...)."""
    return values.flatten(1).sum(dim=1)


@final
class Affine(Operation):
    """Sums of products of the inputs and constants, plus constants.

    Parameters
    ----------
    step : Step
        What is computed.
    function : callable
        The same on float64 tensors.
    gain : callable
        The same with absolute factors and without the constants that are added.
    offset : Tensor or float
        Absolute values of these, as they enter rounding.
    terms : int
        Products per sum; 0 where numbers are only moved, which is exact.
    positive : bool
        Whether no factor is negative.
    mixes : bool
        Whether an output depends on several of the inputs.
    """

    def __init__(
        self,
        step: Step,
        function: Function,
        *,
        gain: Function,
        offset: Tensor | float = 0.0,
        terms: int,
        positive: bool,
        mixes: bool = True,
    ) -> None:
        super().__init__(step)
        self.function, self.gain, self.offset = function, gain, offset
        self.terms, self.positive = terms, positive
        self.mixes = mixes
        self.cost = float(terms * math.prod(step.shape[1:]))
        self._start: Tensor | None = None

    affine = True

    def interval(self, boxes: Sequence[Interval]) -> Interval:
        """Return the images of the ends, or of middles and radii."""
        if self.positive:
            lows, highs = [one.low for one in boxes], [one.high for one in boxes]
            return Interval(self.function(*lows), self.function(*highs))
        middle = self.function(*(one.middle for one in boxes))
        radius = self.gain(*(one.radius for one in boxes))
        return Interval(middle - radius, middle + radius)

    def error(self, boxes: Sequence[Interval]) -> Tensor:
        """Return the error of the longest sum, for the largest values that can enter it."""
        if self.terms == 0:
            return torch.zeros((), dtype=torch.float64, device=boxes[0].low.device)
        size = self.gain(*(one.size for one in boxes)) + self.offset
        return self.step.product_error(self.terms, size)

    def pull(self, weights: Tensor, boxes: Sequence[Interval]) -> Pulled:
        """Return the transposed operation's output."""
        zeros = tuple(torch.zeros_like(one.low) for one in boxes)
        if self._start is None:
            self._start = self.function(*zeros)
        transposed = torch.func.vjp(self.function, *zeros)[1]
        back: tuple[Tensor, ...] = torch.vmap(transposed)(weights)
        return Pulled(back, total(weights * self._start))


@final
@dataclass(frozen=True)
class Lines:
    """Linear bounds of a function of one variable, per number."""

    low_slope: Tensor
    low_start: Tensor
    high_slope: Tensor
    high_start: Tensor


class Elementwise(Operation):
    """A function of one variable."""

    mixes = False

    @abstractmethod
    def lines(self, box: Interval) -> Lines:
        """Return a line below the function on each interval, and one above."""

    def pull(self, weights: Tensor, boxes: Sequence[Interval]) -> Pulled:
        """Use the lower line where a weight is positive, the upper where it is negative."""
        (box,) = boxes
        # Lines need two ends; where there are none, any weight but zero makes the bound useless.
        known = box.low.isfinite() & box.high.isfinite()
        box = Interval(box.low.where(known, 0.0), box.high.where(known, 0.0))
        lines = self.lines(box)
        up, down = weights.clamp_min(0), weights.clamp_max(0)
        slopes = up * lines.low_slope + down * lines.high_slope
        # The products of weights and starts are added up with an error of ours.
        own = 1e-9
        low = lines.low_start - own * lines.low_start.abs()
        high = lines.high_start + own * lines.high_start.abs()
        unknown = torch.where(known, 0.0, torch.inf)
        starts = up * (low - unknown) + down * (high + unknown)
        return Pulled((slopes,), total(starts.nan_to_num(nan=0.0, neginf=-torch.inf)))

    def slack(self, boxes: Sequence[Interval], own: Interval) -> Tensor:
        """Count the products of slopes and inputs, too."""
        (box,) = boxes
        largest = box.size.where(box.size.isfinite(), 0.0)
        return super().slack(boxes, own) + 8 * OWN * self.steepest * largest

    steepest: float = 1.0  # no line is steeper

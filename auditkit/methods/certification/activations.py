"""Intervals of activation functions, and lines below and above them."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from auditkit.methods.certification.box import Interval
from auditkit.methods.certification.operations import Elementwise, Lines
from auditkit.methods.certification.rounding import OWN
from auditkit.methods.certification.tracing import Step

Function = Callable[[Tensor], Tensor]
_POINTS = 32  # at which a smooth function is compared with a line


class Activation(Elementwise):
    """A continuous function; lines are chosen among some slopes, and then moved until they hold.

    The slope decides how tight a line is and never whether it is true: its start is the least, or
    largest, difference from the function over the whole interval.
    """

    function: Function

    def __init__(self, step: Step, *, per_output: float = 0.0, per_input: float = 0.0) -> None:
        super().__init__(step)
        self.per_output, self.per_input = per_output, per_input

    def error(self, boxes: Sequence[Interval]) -> Tensor:
        """Return a few last digits of the output, and of the input where terms can cancel."""
        (box,) = boxes
        if self.per_output == self.per_input == 0:
            return torch.zeros((), dtype=torch.float64, device=box.low.device)
        exact = self.interval(boxes)
        unit = self.step.unit
        size = self.per_output * exact.size + self.per_input * box.size
        return unit * size + self.step.tiny

    @abstractmethod
    def slopes(self, box: Interval) -> Iterable[Tensor]:
        """Yield slopes to try."""

    @abstractmethod
    def differences(self, box: Interval, slopes: Sequence[Tensor]) -> list[Interval]:
        """Return the range of function(x) - slope * x over each interval, for every slope."""

    def lines(self, box: Interval) -> Lines:
        """Return the lines that are nearest to the function at the middles."""
        middle, slopes = box.middle, list(self.slopes(box))
        ranges = self.differences(box, slopes)
        below = torch.stack([s * middle + one.low for s, one in zip(slopes, ranges, strict=True)])
        above = torch.stack([s * middle + one.high for s, one in zip(slopes, ranges, strict=True)])
        low, high = below.argmax(dim=0)[None], above.argmin(dim=0)[None]
        stacked = torch.stack(slopes)
        lows = torch.stack([one.low for one in ranges])
        highs = torch.stack([one.high for one in ranges])

        def at(values: Tensor, index: Tensor) -> Tensor:
            return values.gather(0, index)[0]

        return Lines(at(stacked, low), at(lows, low), at(stacked, high), at(highs, high))

    def _chord(self, box: Interval, otherwise: float) -> Tensor:
        width = box.high - box.low
        rise = self.function(box.high) - self.function(box.low)
        wide = width > 1e-12
        return torch.where(wide, rise / width.where(wide, 1.0), otherwise)


@final
class Piecewise(Activation):
    """Straight pieces that meet at kinks, such as ReLU; computed without rounding, or nearly.

    Parameters
    ----------
    function : callable
        On float64 tensors.
    kinks : sequence of float
        Where pieces meet.
    pieces : sequence of float
        Slopes.
    """

    def __init__(
        self,
        step: Step,
        function: Function,
        *,
        kinks: Sequence[float],
        pieces: Sequence[float],
        rounded: bool = False,
    ) -> None:
        super().__init__(step, per_output=4.0 if rounded else 0.0)
        self.function, self.kinks, self.pieces = function, kinks, pieces
        self.steepest = max(map(abs, pieces))

    def open(self, box: Interval) -> Tensor:
        """Return where a kink lies within: a straight piece is its own line."""
        inside = [(box.low < kink) & (box.high > kink) for kink in self.kinks]
        return torch.stack(inside).any(dim=0)

    def slopes(self, box: Interval) -> Iterable[Tensor]:
        """Yield that of the chord, then those of the pieces."""
        yield self._chord(box, self.pieces[-1]).clamp(min(self.pieces), max(self.pieces))
        for one in self.pieces:
            yield torch.full_like(box.low, one)

    def differences(self, box: Interval, slopes: Sequence[Tensor]) -> list[Interval]:
        """Look at both ends and at the kinks between: there is no extreme elsewhere."""
        places = [box.low, box.high]
        places += [box.low.clamp_min(kink).minimum(box.high) for kink in self.kinks]
        heights = [self.function(one) for one in places]
        found: list[Interval] = []
        for slope in slopes:
            gaps = torch.stack([h - slope * p for h, p in zip(heights, places, strict=True)])
            own = OWN * (slope.abs() * box.size + self.interval([box]).size)
            found.append(Interval(gaps.amin(dim=0) - own, gaps.amax(dim=0) + own))
        return found

    def interval(self, boxes: Sequence[Interval]) -> Interval:
        """Look at both ends and at the kinks between."""
        (box,) = boxes
        places = [box.low, box.high]
        places += [box.low.clamp_min(kink).minimum(box.high) for kink in self.kinks]
        heights = torch.stack([self.function(one) for one in places])
        return Interval(heights.amin(dim=0), heights.amax(dim=0))


@final
class Smooth(Activation):
    """A function with a bounded second derivative, such as tanh.

    Between two of equally spaced points, h apart, it differs from its chord by at most
    `bend` h^2 / 8.

    Parameters
    ----------
    function, derivative : callable
        On float64 tensors.
    bend : float
        Largest absolute second derivative.
    steepest : float
        Largest absolute derivative.
    least : float, optional
        Where the function has its only minimum; without one it never falls.
    """

    def __init__(
        self,
        step: Step,
        function: Function,
        derivative: Function,
        *,
        bend: float,
        steepest: float,
        least: float | None = None,
        per_output: float,
        per_input: float,
    ) -> None:
        super().__init__(step, per_output=per_output, per_input=per_input)
        self.function, self.derivative = function, derivative
        self.bend, self.steepest, self.least = bend, steepest, least

    def slopes(self, box: Interval) -> Iterable[Tensor]:
        """Yield that of the chord, then those at five places."""
        yield self._chord(box, 0.0).clamp(-self.steepest, self.steepest)
        for share in (0.0, 0.25, 0.5, 0.75, 1.0):
            yield self.derivative(box.low + share * (box.high - box.low))

    def differences(self, box: Interval, slopes: Sequence[Tensor]) -> list[Interval]:
        """Look at equally spaced points, and count what can lie between."""
        width = box.high - box.low
        low = [torch.full_like(box.low, torch.inf) for _ in slopes]
        high = [torch.full_like(box.low, -torch.inf) for _ in slopes]
        for i in range(_POINTS + 1):
            place = box.low + (i / _POINTS) * width
            height = self.function(place)
            for j, slope in enumerate(slopes):
                gap = height - slope * place
                low[j], high[j] = torch.minimum(low[j], gap), torch.maximum(high[j], gap)
        between = self.bend * (width / _POINTS).square() / 8 * (1 + 1e-9)
        own = 16 * OWN * (self.steepest * box.size + 1)
        return [
            Interval(a - between - own, b + between + own) for a, b in zip(low, high, strict=True)
        ]

    def interval(self, boxes: Sequence[Interval]) -> Interval:
        """Look at both ends, and at the minimum where it lies between."""
        (box,) = boxes
        ends = self.function(box.low), self.function(box.high)
        low, high = torch.minimum(*ends), torch.maximum(*ends)
        if self.least is not None:
            bottom = self.function(torch.full_like(low, self.least)) - 1e-12
            low = torch.where((box.low < self.least) & (box.high > self.least), bottom, low)
        own = 16 * OWN * (low.abs().maximum(high.abs()) + box.size)
        return Interval(low - own, high + own)


@final
class Rounding(Activation):
    """To the nearest whole number: never more than a half away."""

    function = staticmethod(torch.round)

    def slopes(self, box: Interval) -> Iterable[Tensor]:
        """Yield that of the identity, and zero."""
        yield torch.ones_like(box.low)
        yield torch.zeros_like(box.low)

    def differences(self, box: Interval, slopes: Sequence[Tensor]) -> list[Interval]:
        """Return half a step to both sides of what is left of the identity, or both ends."""
        found: list[Interval] = []
        for slope in slopes:
            ends = (1 - slope) * box.low, (1 - slope) * box.high
            half = 0.5 + 4 * OWN * (1 + slope.abs()) * (1 + box.size)
            left = Interval(torch.minimum(*ends) - half, torch.maximum(*ends) + half)
            both = self.interval([box])
            level = slope == 0
            low, high = torch.where(level, both.low, left.low), both.high.where(level, left.high)
            found.append(Interval(low, high))
        return found

    def interval(self, boxes: Sequence[Interval]) -> Interval:
        """Round both ends."""
        (box,) = boxes
        return Interval(box.low.round(), box.high.round())


def relu(step: Step) -> Elementwise:
    """Return rules for max(x, 0)."""
    return Piecewise(step, functional.relu, kinks=(0.0,), pieces=(0.0, 1.0))


def leaky_relu(step: Step) -> Elementwise:
    """Return rules for x above 0 and a share of it below."""
    share = float(step.arguments[1]) if len(step.arguments) > 1 else 0.01

    def function(x: Tensor) -> Tensor:
        return torch.where(x > 0, x, share * x)

    return Piecewise(step, function, kinks=(0.0,), pieces=(share, 1.0), rounded=True)


def clamp(step: Step) -> Elementwise:
    """Return rules for x cut at one end or both."""
    named = {
        "clamp_min": lambda: (step.arguments[1], None),
        "clamp_max": lambda: (None, step.arguments[1]),
        "hardtanh": lambda: (*step.arguments[1:3], *(-1.0, 1.0)[len(step.arguments) - 1 :]),
    }
    given = named.get(step.name, lambda: (*step.arguments[1:], None, None)[:2])()
    low = step.keywords.get("min", given[0])
    high = step.keywords.get("max", given[1])
    kinks = tuple(float(one) for one in (low, high) if one is not None)

    def function(x: Tensor) -> Tensor:
        return x.clamp(low, high)

    return Piecewise(step, function, kinks=kinks, pieces=(0.0, 1.0), rounded=True)


def absolute(step: Step) -> Elementwise:
    """Return rules for |x|."""
    return Piecewise(step, torch.abs, kinks=(0.0,), pieces=(-1.0, 1.0))


def tanh(step: Step) -> Elementwise:
    """Return rules for the hyperbolic tangent."""
    return Smooth(
        step, torch.tanh, lambda x: 1 - x.tanh().square(),
        bend=0.7699, steepest=1.0, per_output=8.0, per_input=0.0,
    )  # fmt: skip


def sigmoid(step: Step) -> Elementwise:
    """Return rules for the logistic function."""
    return Smooth(
        step, torch.sigmoid, lambda x: x.sigmoid() * (1 - x.sigmoid()),
        bend=0.09623, steepest=0.25, per_output=32.0, per_input=0.0,
    )  # fmt: skip


def silu(step: Step) -> Elementwise:
    """Return rules for x times its logistic function."""

    def derivative(x: Tensor) -> Tensor:
        share = x.sigmoid()
        return share * (1 + x * (1 - share))

    return Smooth(
        step, functional.silu, derivative, bend=0.5001, steepest=1.0999,
        least=-1.2784645427610738, per_output=32.0, per_input=8.0,
    )  # fmt: skip


def gelu(step: Step) -> Elementwise:
    """Return rules for x times the normal distribution function, or its tanh formula."""
    how = str(step.keywords.get("approximate", "none"))
    least = -0.7517915246935645 if how == "none" else -0.7524614220710162

    def exact(x: Tensor) -> Tensor:
        density = torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi)
        return torch.special.ndtr(x) + x * density

    def approximate(x: Tensor) -> Tensor:
        root = math.sqrt(2 / math.pi)
        inner = (root * (x + 0.044715 * x**3)).tanh()
        return 0.5 * (1 + inner) + 0.5 * x * (1 - inner**2) * root * (1 + 3 * 0.044715 * x**2)

    return Smooth(
        step, lambda x: functional.gelu(x, approximate=how),
        exact if how == "none" else approximate,
        bend=0.81, steepest=1.14, least=least, per_output=8.0, per_input=16.0,
    )  # fmt: skip


def rounding(step: Step) -> Elementwise:
    """Return rules for the nearest whole number."""
    return Rounding(step)

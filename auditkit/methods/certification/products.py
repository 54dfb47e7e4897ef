"""Intervals of products, quotients, softmax and normalisation of numbers that all vary."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import final

import torch
from torch import Tensor

from auditkit.methods.certification.box import Interval, point
from auditkit.methods.certification.operations import Operation
from auditkit.methods.certification.rounding import OWN, gamma
from auditkit.methods.certification.tracing import Step, Variable


class _Pair(Operation):
    """Two operands, of which one may be constant."""

    def operands(self, boxes: Sequence[Interval]) -> tuple[Interval, Interval]:
        given = dict(zip(self.step.parents, boxes, strict=True))
        first, last = self.step.arguments[:2]
        return _operand(first, given, boxes[0]), _operand(last, given, boxes[0])


def _operand(one: object, given: dict[int, Interval], like: Interval) -> Interval:
    if isinstance(one, Variable):
        return given[one.step]
    if isinstance(one, Tensor):
        return point(one)
    assert isinstance(one, int | float)
    return point(torch.tensor(float(one), dtype=torch.float64, device=like.low.device))


@final
class Product(_Pair):
    """Number by number."""

    def interval(self, boxes: Sequence[Interval]) -> Interval:
        """Return the least and the largest of the four corners."""
        a, b = self.operands(boxes)
        corners = torch.stack([a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high])
        # 0 times infinity is 0 here: a number that is 0 stays so.
        corners = corners.nan_to_num(nan=0.0, posinf=torch.inf, neginf=-torch.inf)
        return Interval(corners.amin(dim=0), corners.amax(dim=0))

    def error(self, boxes: Sequence[Interval]) -> Tensor:
        """Return the rounding of one product."""
        return self.step.product_error(1, self.interval(boxes).size)


@final
class Quotient(_Pair):
    """Number by number; unbounded where the divisor can be zero."""

    def interval(self, boxes: Sequence[Interval]) -> Interval:
        """Return the least and the largest of the four corners."""
        a, b = self.operands(boxes)
        corners = torch.stack([a.low / b.low, a.low / b.high, a.high / b.low, a.high / b.high])
        zero = (b.low <= 0) & (b.high >= 0)
        low = corners.amin(dim=0).masked_fill(zero, -torch.inf)
        return Interval(low, corners.amax(dim=0).masked_fill(zero, torch.inf))

    def error(self, boxes: Sequence[Interval]) -> Tensor:
        """Return the rounding of one quotient."""
        return self.step.product_error(1, self.interval(boxes).size)


@final
class MatrixProduct(_Pair):
    """Of two matrices that both vary."""

    def interval(self, boxes: Sequence[Interval]) -> Interval:
        """Multiply middles, and add what the radii can change.

        References
        ----------
        Rump, 1999, Fast and parallel interval arithmetic, BIT 39.
        """
        a, b = self.operands(boxes)
        middle = a.middle @ b.middle
        radius = a.middle.abs() @ b.radius + a.radius @ (b.middle.abs() + b.radius)
        own = gamma(a.low.shape[-1], OWN) * (a.size @ b.size)
        return Interval(middle - radius - own, middle + radius + own)

    def error(self, boxes: Sequence[Interval]) -> Tensor:
        """Return the rounding of sums of products."""
        a, b = self.operands(boxes)
        return self.step.product_error(a.low.shape[-1], a.size @ b.size)


class _Positive(Operation):
    """A function of several numbers that are exponentiated and added."""

    def _axis(self) -> int:
        return int(self.step.arguments[1])

    def _relative(self, box: Interval) -> Tensor:
        """Return the relative error of shares: of exponents, which are differences, and a sum."""
        terms = box.low.shape[self._axis()]
        spread = box.high.amax(dim=self._axis(), keepdim=True) - box.low
        unit = self.step.unit
        return (gamma(terms + 32, unit) + 4 * unit * spread.clamp(max=200.0)).clamp(max=1.0)

    def _log_shares(self, box: Interval) -> Interval:
        """Return log softmax: lowest where a number is lowest and all others are highest."""
        axis = self._axis()
        return Interval(
            -_log1p_rest(box.low, box.high, axis, up=True),
            -_log1p_rest(box.high, box.low, axis, up=False),
        )


def _log1p_rest(own: Tensor, others: Tensor, axis: int, *, up: bool) -> Tensor:
    """Return log(1 + sum over the others of exp(other - own)), for every number as `own`.

    It is rounded up, or down.
    """
    largest = others.amax(dim=axis, keepdim=True)
    powers = (others - largest).exp()
    total = powers.sum(dim=axis, keepdim=True)
    rest = (total - powers).clamp_min(0.0)  # the sum without one
    rest = rest + 1e-12 * total if up else (rest - 1e-12 * total).clamp_min(0.0)
    return torch.logaddexp(torch.zeros_like(own), rest.log() + largest - own)


@final
class Softmax(_Positive):
    """Shares that add up to one."""

    def interval(self, boxes: Sequence[Interval]) -> Interval:
        """Return the exponents of log shares."""
        (box,) = boxes
        logs = self._log_shares(box)
        low = logs.low.exp() * (1 - 1e-12)
        return Interval(low, (logs.high.exp() * (1 + 1e-12)).clamp(max=1.0))

    def error(self, boxes: Sequence[Interval]) -> Tensor:
        """Return the rounding of exponents, sum and quotient."""
        (box,) = boxes
        tiny = self.step.tiny
        return self._relative(box) * self.interval(boxes).high + 4 * tiny


@final
class LogSoftmax(_Positive):
    """Logarithms of shares."""

    def interval(self, boxes: Sequence[Interval]) -> Interval:
        """Return log shares."""
        (box,) = boxes
        logs = self._log_shares(box)
        return logs.widened(1e-12 * (1 + logs.size))

    def error(self, boxes: Sequence[Interval]) -> Tensor:
        """Return the rounding of the differences and of the logarithm."""
        (box,) = boxes
        unit = self.step.unit
        return self._relative(box) + 16 * unit * (1 + self.interval(boxes).size + box.size)


class _Normalised(Operation):
    """Numbers minus their mean, divided by their spread, over some axes."""

    @abstractmethod
    def _parts(self) -> tuple[Tensor | None, Tensor | None, float]:
        """Return factors, constants and the number added to the variance."""

    @abstractmethod
    def _grouped(self, x: Tensor) -> Tensor:
        """Return the numbers with those that belong together along the last axis."""

    def interval(self, boxes: Sequence[Interval]) -> Interval:
        """Bound deviations and spread apart; no share of a spread exceeds sqrt(n - 1)."""
        (box,) = boxes
        exact = self._scaled(self._ratio(box))
        return exact.widened(1e-10 * (1 + exact.size))

    def error(self, boxes: Sequence[Interval]) -> Tensor:
        """Return the rounding of mean, spread and their use."""
        (box,) = boxes
        _, _, epsilon = self._parts()
        ratio, size = self._ratio(box), self._grouped(box.size)
        n, unit = size.shape[-1], self.step.unit
        shift = 2 * gamma(n, unit) * size.amax(dim=-1, keepdim=True)  # of mean and deviations
        deviation, spread = self._deviation(box)
        least = (spread.low + epsilon).sqrt()
        # A variance is off by the deviations' errors, twice, and by its own sum.
        off = 4 * shift * (deviation.size.amax(dim=-1, keepdim=True) + shift)
        off = off + 4 * gamma(n, unit) * (spread.high + epsilon)
        relative = off / least.square() + 8 * unit
        lost = ratio.size * relative + 2 * shift / least
        # Where the true spread exceeds 16 sqrt(n) shifts, its error is a third of it at most, and
        # the result cannot leave 2 sqrt(n); below that, deviations are as small.
        near = (16 * n + 1) * shift / epsilon**0.5 if epsilon > 0 else torch.inf
        lost = torch.where(relative < 0.5, lost, 4 * n**0.5 + near)
        factors, constants, _ = self._parts()
        scale = 1.0 if factors is None else factors.double().abs()
        start = 0.0 if constants is None else constants.double().abs()
        whole = self._back(lost, box) * scale
        return whole + 4 * unit * (self._back(ratio.size, box) * scale + start)

    def _deviation(self, box: Interval) -> tuple[Interval, Interval]:
        """Return intervals of deviations from the mean, and of the variance."""
        low, high = self._grouped(box.low), self._grouped(box.high)
        n = low.shape[-1]
        rest_high, rest_low = high.sum(-1, keepdim=True) - high, low.sum(-1, keepdim=True) - low
        share = (n - 1) / n
        deviation = Interval(share * low - rest_high / n, share * high - rest_low / n)
        # Squares of larger numbers overflow where the model computes them: nothing is known then.
        large = deviation.size.amax(dim=-1, keepdim=True)
        known = large < math.sqrt(torch.finfo(self.step.dtype).max) / n
        large = torch.where(known, large, torch.nan)
        deviation = deviation.widened(1e-12 * large)
        inside = (deviation.low <= 0) & (deviation.high >= 0)
        least = torch.minimum(deviation.low.abs(), deviation.high.abs()).masked_fill(inside, 0.0)
        spread = Interval(
            least.square().mean(-1, keepdim=True) * (1 - 1e-12),
            deviation.size.square().mean(-1, keepdim=True) * (1 + 1e-12),
        )
        return deviation, spread

    def _ratio(self, box: Interval) -> Interval:
        _, _, epsilon = self._parts()
        deviation, spread = self._deviation(box)
        most = math.sqrt(max(1, deviation.low.shape[-1] - 1))
        small, large = (spread.low + epsilon).sqrt(), (spread.high + epsilon).sqrt()
        low = torch.where(deviation.low < 0, deviation.low / small, deviation.low / large)
        high = torch.where(deviation.high > 0, deviation.high / small, deviation.high / large)
        return Interval(low.clamp(-most, most), high.clamp(-most, most))

    def _scaled(self, ratio: Interval) -> Interval:
        factors, constants, _ = self._parts()
        shape = self.step.shape
        low, high = ratio.low.reshape(shape), ratio.high.reshape(shape)
        if factors is not None:
            ends = low * factors.double(), high * factors.double()
            low, high = torch.minimum(*ends), torch.maximum(*ends)
        start = 0.0 if constants is None else constants.double()
        return Interval(low + start, high + start)

    def _back(self, values: Tensor, box: Interval) -> Tensor:
        return values.expand_as(self._grouped(box.low)).reshape(self.step.shape)


@final
class LayerNorm(_Normalised):
    """Over the last axes."""

    def _parts(self) -> tuple[Tensor | None, Tensor | None, float]:
        _, _, factors, constants, epsilon = self.step.arguments
        return factors, constants, float(epsilon)

    def _grouped(self, x: Tensor) -> Tensor:
        return x.flatten(x.ndim - len(self.step.arguments[1]))


@final
class GroupNorm(_Normalised):
    """Over groups of channels."""

    def _parts(self) -> tuple[Tensor | None, Tensor | None, float]:
        _, factors, constants, *_, epsilon = self.step.arguments
        shape = [-1, *[1] * (len(self.step.shape) - 2)]
        return (
            None if factors is None else factors.view(shape),
            None if constants is None else constants.view(shape),
            float(epsilon),
        )

    def _grouped(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], int(self.step.arguments[6]), -1)


@final
class Rising(Operation):
    """A function that never falls, such as exp: intervals alone."""

    def __init__(self, step: Step, function: Callable[[Tensor], Tensor], *, last: float) -> None:
        super().__init__(step)
        self.function, self.last = function, last

    def interval(self, boxes: Sequence[Interval]) -> Interval:
        """Apply it to both ends."""
        (box,) = boxes
        exact = Interval(self.function(box.low), self.function(box.high))
        return exact.widened(1e-12 * exact.size)

    def error(self, boxes: Sequence[Interval]) -> Tensor:
        """Return a few last digits."""
        size = self.interval(boxes).size
        return self.last * self.step.unit * size + self.step.tiny

"""The points an attacker may use around each input, cut at the input's bounds, and how to move."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Literal, NamedTuple, Self, TypeAlias, final

import torch
from torch import Tensor

Norm: TypeAlias = Literal["linf", "l2", "l1"]
Rows: TypeAlias = Tensor | slice


class Box(NamedTuple):
    """The lowest and highest value that each number of an input may take."""

    low: Tensor  # (n, ...)
    high: Tensor  # (n, ...)

    def clamp(self, points: Tensor, rows: Rows = slice(None)) -> Tensor:
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


class Ball(ABC):
    """A set of points around each of n inputs, within a radius and the bounds.

    Parameters
    ----------
    inputs : Tensor
        (n, ...) inputs within the bounds.
    epsilon : float
        Radius in input units, above 0.
    bounds : (low, high)
        Range of an input value.
    """

    norm: Norm

    def __init__(self, inputs: Tensor, *, epsilon: float, bounds: tuple[float, float]) -> None:
        self.inputs, self.epsilon, self.bounds = inputs, epsilon, bounds

    @cached_property
    def radius(self) -> float:
        """What is used of epsilon, so that no rounding of a number can leave the ball."""
        largest = max(map(abs, self.bounds))
        one = torch.full(self.inputs.shape[1:], largest * torch.finfo(self.inputs.dtype).eps)
        return max(self.epsilon * (1 - 1e-6) - float(self.size(one[None])), self.epsilon / 2)

    @abstractmethod
    def project(self, points: Tensor, rows: Rows = slice(None)) -> Tensor:
        """Return points (m, ...) of the balls of the given rows, near to those given."""

    @abstractmethod
    def direction(self, gradients: Tensor) -> Tensor:
        """Return the step of length epsilon (m, ...) along which a linear loss rises most."""

    @abstractmethod
    def size(self, changes: Tensor) -> Tensor:
        """Return the norms (m,) of changes (m, ...), float64."""

    def of(self, rows: Tensor) -> Self:
        """Return the balls of some inputs."""
        return type(self)(self.inputs[rows], epsilon=self.epsilon, bounds=self.bounds)

    def distance(self, points: Tensor, rows: Rows = slice(None)) -> Tensor:
        """Return how far points (m, ...) are from their inputs (m,), float64."""
        return self.size(points.double() - self.inputs[rows].double())

    def start(self, draws: Tensor) -> Tensor:
        """Return first points (n, ...) from draws (n, ...) that are uniform in [-1, 1]."""
        length = self.size(draws).clamp_min(torch.finfo(torch.float64).tiny)
        shares = (self.epsilon / length).to(draws.dtype)
        return self.project(self.inputs + column(shares, draws) * draws)


@final
class LinfBall(Ball):
    """Every number may change by at most epsilon."""

    norm = "linf"

    def __init__(self, inputs: Tensor, *, epsilon: float, bounds: tuple[float, float]) -> None:
        super().__init__(inputs, epsilon=epsilon, bounds=bounds)
        self.box = linf_ball(inputs, epsilon=epsilon, bounds=bounds)

    def project(self, points: Tensor, rows: Rows = slice(None)) -> Tensor:
        """Return the nearest points."""
        return self.box.clamp(points, rows)

    def direction(self, gradients: Tensor) -> Tensor:
        """Return a corner."""
        return self.epsilon * torch.nan_to_num(gradients).sign()

    def size(self, changes: Tensor) -> Tensor:
        """Return the largest change."""
        return changes.double().abs().flatten(1).amax(dim=1)

    def start(self, draws: Tensor) -> Tensor:
        """Return points that are uniform in the ball."""
        return self.project(self.inputs + self.epsilon * draws)


@final
class L2Ball(Ball):
    """The Euclidean length of the change is at most epsilon."""

    norm = "l2"

    def project(self, points: Tensor, rows: Rows = slice(None)) -> Tensor:
        """Return points scaled to the radius, then cut at the bounds, which shortens further."""
        inputs = self.inputs[rows]
        changes = points - inputs
        length = self.size(changes)
        share = (self.radius / length.clamp_min(1e-300)).clamp(max=1.0)
        moved = inputs + column(share.to(points.dtype), points) * changes
        return moved.clamp(*self.bounds)

    def direction(self, gradients: Tensor) -> Tensor:
        """Return the gradient at length epsilon; a zero gradient stays zero."""
        gradients = torch.nan_to_num(gradients)
        largest = gradients.abs().flatten(1).amax(dim=1)
        unit = gradients / column(largest.clamp_min(torch.finfo(gradients.dtype).tiny), gradients)
        length = self.size(unit)
        factors = torch.where(length > 0, self.epsilon / length, 0.0)
        return unit * column(factors.to(gradients.dtype), gradients)

    def size(self, changes: Tensor) -> Tensor:
        """Return the Euclidean lengths."""
        return changes.double().flatten(1).norm(dim=1)


@final
class L1Ball(Ball):
    """The absolute changes sum to at most epsilon.

    One step moves a twentieth of the numbers.
    """

    norm = "l1"

    def project(self, points: Tensor, rows: Rows = slice(None)) -> Tensor:
        """Return the nearest points of the ball and the bounds together.

        The nearest change shrinks every number by one amount, found by bisection, and cuts it at
        its bounds (Croce and Hein, 2021, arXiv:2103.01208, section 2.2).
        """
        inputs = self.inputs[rows].double().flatten(1)  # (m, d)
        low, high = self.bounds[0] - inputs, self.bounds[1] - inputs
        changes = points.double().flatten(1) - inputs

        def cut(amount: Tensor) -> Tensor:
            shrunk = changes.sign() * (changes.abs() - amount[:, None]).clamp_min(0)
            return shrunk.clamp(low, high)

        least = torch.zeros(len(changes), dtype=torch.float64, device=points.device)
        most = changes.abs().amax(dim=1)
        most = torch.where(cut(least).abs().sum(dim=1) <= self.radius, least, most)
        for _ in range(_BISECTIONS):
            middle = (least + most) / 2
            fits = cut(middle).abs().sum(dim=1) <= self.radius
            least, most = torch.where(fits, least, middle), torch.where(fits, middle, most)
        moved = (inputs + cut(most)).to(points.dtype).view_as(points)
        return moved.clamp(*self.bounds)

    def direction(self, gradients: Tensor) -> Tensor:
        """Return equal steps along the steepest numbers."""
        flat = torch.nan_to_num(gradients).flatten(1)
        count = max(1, round(_SPARSITY * flat.shape[1]))
        steepest = flat.abs().topk(count, dim=1).indices
        step = torch.zeros_like(flat).scatter(1, steepest, flat.gather(1, steepest).sign())
        return (step * (self.epsilon / count)).view_as(gradients)

    def size(self, changes: Tensor) -> Tensor:
        """Return the sums of absolute changes."""
        return changes.double().abs().flatten(1).sum(dim=1)


_BISECTIONS = 40
_SPARSITY = 0.05

BALLS: dict[Norm, type[Ball]] = {"linf": LinfBall, "l2": L2Ball, "l1": L1Ball}


def column(values: Tensor, like: Tensor) -> Tensor:
    """Return values (m,) that multiply points (m, ...)."""
    return values.view(-1, *[1] * (like.ndim - 1))

"""Intervals of the largest value of a window, and lines below and above it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from auditkit.methods.certification.box import Interval
from auditkit.methods.certification.operations import Operation, Pulled, total
from auditkit.methods.certification.tracing import Step


@final
class MaxPool(Operation):
    """The largest number of every window; exact.

    It is at least the number whose lowest value is the highest. Where that exceeds all others for
    certain it is that number, elsewhere at most the highest value of the window.
    """

    def __init__(self, step: Step) -> None:
        super().__init__(step)
        given = list(step.arguments[1:])
        kernel, stride, padding, dilation = (given + [[], [], [0, 0], [1, 1]][len(given) :])[:4]
        self.kernel = _pair(kernel)
        self.stride = _pair(stride) if stride else self.kernel
        self.padding, self.dilation = _pair(padding), _pair(dilation)

    def interval(self, boxes: Sequence[Interval]) -> Interval:
        """Pool both ends."""
        (box,) = boxes
        return Interval(self.step([box.low]), self.step([box.high]))

    def error(self, boxes: Sequence[Interval]) -> Tensor:
        """Return zero: a number is chosen, not computed."""
        return torch.zeros((), dtype=torch.float64, device=boxes[0].low.device)

    def pull(self, weights: Tensor, boxes: Sequence[Interval]) -> Pulled:
        """Give weights to the chosen numbers."""
        (box,) = boxes
        low, high = self._windows(box.low), self._windows(box.high)  # (n, c, k, o)
        n, c, h, w = box.low.shape
        numbers = torch.arange(h * w, dtype=torch.float64, device=low.device).view(1, 1, h, w)
        sources = self._windows(numbers)[0, 0]  # (k, o); -inf beyond the rim, never chosen
        best, chosen = low.max(dim=2)  # (n, c, o)
        own = chosen[:, :, None]
        others = high.scatter(2, own, -torch.inf).amax(dim=2)
        certain = best >= others
        where = sources.expand(n, c, *sources.shape).gather(2, own)[:, :, 0].long()
        weights = weights.flatten(3)  # (s, n, c, o)
        up, down = weights.clamp_min(0), weights.clamp_max(0)
        passed = up + down * certain
        back = torch.zeros(len(weights), n, c, h * w, dtype=low.dtype, device=low.device)
        back.scatter_add_(3, where.expand(len(weights), *where.shape), passed)
        most = torch.where(certain, 0.0, high.amax(dim=2))
        most = (most + 1e-9 * most.abs()).clamp(-1e300, 1e300)
        return Pulled((back.view(-1, n, c, h, w),), total(down * most))

    def _windows(self, x: Tensor) -> Tensor:
        """Return the numbers of every window: (n, c, k, o) of (n, c, h, w)."""
        n, c, *sides = x.shape
        pads: list[int] = []
        for i in (1, 0):
            reach = (self.step.shape[i - 2] - 1) * self.stride[i] + 1
            reach += self.dilation[i] * (self.kernel[i] - 1)
            pads += [self.padding[i], max(0, reach - sides[i] - self.padding[i])]
        padded = functional.pad(x, pads, value=-1e308)
        parts = functional.unfold(
            padded, self.kernel, dilation=self.dilation, stride=self.stride
        )  # (n, c k, o)
        return parts.view(n, c, self.kernel[0] * self.kernel[1], -1)


def _pair(values: Sequence[int]) -> tuple[int, int]:
    first, last = values[0], values[-1]
    return first, last

"""Integrated gradients: the change of a class score from a reference, shared out over the input.

Sundararajan et al., 2017, arXiv:1703.01365, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from auditkit.methods.saliency.paths import gauss_legendre
from auditkit.methods.saliency.scores import score_of
from auditkit.models.classifier import Logits

_FIRST = 8  # nodes of the first try, where fewer than all may do


class Attributed(NamedTuple):
    """Scores that promise to add up to a change, and by how much they miss it."""

    scores: Tensor  # of the shape of the inputs
    change: Tensor  # (n,) target logit at the input less that at the reference
    delta: Tensor  # (n,) sum of the scores less the change: 0 for the exact integral


def integrated_gradients(
    logits: Logits,
    inputs: Tensor,
    target: Tensor,
    *,
    reference: Tensor,
    steps: int = 32,
    tolerance: float = 0.0,
    batch_size: int = 128,
) -> Attributed:
    """Return scores that add up to the change of the target logit.

    The integral is a sum over Gauss-Legendre nodes. The nodes of one input make the batches, so
    that no input's scores depend on its neighbours.

    Parameters
    ----------
    logits : callable
        Maps inputs (m, ...) to (m, k).
    inputs, reference : Tensor
        (n, ...) where the paths end and where they start, of one shape; n at least 1.
    target : Tensor
        (n,) class whose logit is explained.
    steps : int
        Most nodes of the integral, at least 1. More of them lower `delta`.
    tolerance : float
        Share of the change by which the sum may miss it. Above 0 the integral begins with 8 nodes
        and takes as many more as their miss promises to be enough, until the sum is that near, or
        all are used.
    batch_size : int
        Inputs per forward pass; memory does not grow with `steps`.

    Examples
    --------
    >>> image = torch.full((1, 1, 1, 2), 2.0)
    >>> product = lambda x: x.flatten(1).prod(dim=1, keepdim=True)
    >>> start = torch.zeros_like(image)
    >>> found = integrated_gradients(product, image, torch.tensor([0]), reference=start)
    >>> [round(x, 4) for x in found.scores.flatten().tolist()], found.change.tolist()
    ([2.0, 2.0], [4.0])
    """
    parts: list[Attributed] = []
    for i in range(len(inputs)):
        row = slice(i, i + 1)
        path = _Path(logits, inputs[row], reference[row], target[row], batch_size)
        parts.append(path.integral(steps, tolerance))
    scores, change, delta = (torch.cat(column) for column in zip(*parts, strict=True))
    return Attributed(scores, change, delta)


class _Path:
    """The straight way from a reference (1, ...) to an input (1, ...)."""

    def __init__(
        self, logits: Logits, end: Tensor, start: Tensor, target: Tensor, batch_size: int
    ) -> None:
        self.logits, self.target, self.batch_size = logits, target, batch_size
        self.start, self.way = start.detach(), (end - start).detach()
        with torch.no_grad():
            ends = torch.cat([end, start]).detach()
            some = [score_of(logits, x, target.expand(len(x))) for x in ends.split(batch_size)]
        high, low = torch.cat(some).split(1)
        self.change = high - low  # (1,)

    def integral(self, steps: int, tolerance: float) -> Attributed:
        """Return the sum over as many nodes as are needed, at most `steps`."""
        nodes = steps if tolerance <= 0 else min(_FIRST, steps)
        while True:
            scores = self.way * self._mean_slope(nodes)
            delta = scores.sum()[None].to(self.change) - self.change
            allowed = tolerance * float(self.change.abs())
            # A miss that is not a number is never near: all nodes are tried.
            if nodes == steps or float(delta.abs()) <= allowed:
                return Attributed(scores, self.change, delta)
            nodes = _more(nodes, steps, float(delta.abs()), allowed)

    def _mean_slope(self, nodes: int) -> Tensor:
        """Return the weighted mean of the slopes (1, ...) at the nodes."""
        total = torch.zeros_like(self.start)
        for places, weights in _nodes(nodes, self.batch_size, like=self.start):
            leaf = (self.start + places * self.way).requires_grad_(True)
            with torch.enable_grad():
                score = score_of(self.logits, leaf, self.target.expand(len(leaf))).sum()
            (slope,) = torch.autograd.grad(score, leaf)
            total = total + (weights * slope).sum(dim=0, keepdim=True)
        return total


def _more(nodes: int, steps: int, miss: float, allowed: float) -> int:
    """Return how many nodes to try next: a kinked integrand's miss falls like one over them."""
    enough = nodes * miss / allowed if allowed > 0 else math.inf
    return min(steps, max(2 * nodes, math.ceil(enough))) if enough < steps else steps


def _nodes(count: int, batch_size: int, *, like: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield places in (0, 1) and their weights, each (m, 1, ...), at most `batch_size` at once."""
    both = torch.tensor(gauss_legendre(count), dtype=torch.float64).T.to(like)  # (2, count)
    both = both.reshape(2, count, *(1 for _ in like.shape[1:]))
    for some in range(0, count, batch_size):
        yield both[0, some : some + batch_size], both[1, some : some + batch_size]

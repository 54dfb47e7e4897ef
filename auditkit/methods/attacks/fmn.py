"""Fast minimum-norm attack: ascent in a ball that shrinks and grows with what is found."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import Slopes, slopes_and_successes
from auditkit.methods.attacks.hyperplane import DUAL, Measure, size_of
from auditkit.methods.attacks.nearest import Nearest, scaled
from auditkit.models.classifier import Logits

_STRIDE: dict[Measure, float] = {"linf": 1.0, "l2": 1.0, "l1": 0.5, "l0": 1.0}  # first step
_LAST_STRIDE = 0.01  # share of it that the last step keeps
_GAMMA: dict[Measure, float] = {"linf": 0.05, "l2": 0.1, "l1": 0.05, "l0": 0.3}
_LAST_GAMMA = 0.001  # share by which the radius changes at last
_GROWTH: dict[Measure, float] = {"linf": 1.05, "l2": 1.05, "l1": 1.05, "l0": 1.5}  # until found
_TINY = 1e-12


def fmn(
    logits: Logits,
    nearest: Nearest,
    rows: Tensor,
    *,
    steps: int,
    anew: bool = False,
    search: Logits | None = None,
    batch_size: int = 128,
) -> None:
    """Bring the points of some rows of `nearest` nearer, in one round of steps.

    Every step raises the log odds against the label, and stays within a radius of the input. The
    radius shrinks below the nearest point known as long as the point is misclassified, and grows
    while it is not; before anything is found it is what the gradient promises. Steps, in shares of
    the radius, and changes of the radius fall to a hundredth within the round. At its end the
    nearest points are shortened along the segments to their inputs.

    Parameters
    ----------
    logits : callable
        The model in its own precision; it alone judges.
    nearest : Nearest
        The inputs, and where to start: points found before, else the inputs.
    rows : Tensor
        (m,) which inputs take part.
    steps : int
        Gradient steps per input.
    anew : bool
        Whether it starts at the inputs, with the radii known, instead of at the nearest points: the
        way out then leads elsewhere.
    search : callable, optional
        The model in a cheaper precision, used for gradients and to propose candidates.
    batch_size : int
        Points per forward pass.

    References
    ----------
    Pintor et al., 2021, arXiv:2102.12827, algorithm 1; the loss and the steps in shares of the
    radius are ours.
    """
    walk = _Walk(nearest, anew=anew)
    for mark in marks(steps):
        for batch in rows.split(batch_size):
            points, labels = walk.points[batch], nearest.labels[batch]
            slopes, fooled = slopes_and_successes(logits, points, labels, search=search)
            nearest.offer(batch[fooled], points[fooled])
            walk.step(batch, fooled, slopes, mark)
    nearest.shorten(logits, rows, batch_size=batch_size)


@final
@dataclass(frozen=True)
class Mark:
    """How far a round has come."""

    stride: float  # share of the first step
    ease: float  # share of the first change of the radius, before the last one is added


def marks(steps: int) -> Iterator[Mark]:
    """Yield the marks of a round, which fall along half a cosine."""
    for i in range(steps):
        share = (1 + math.cos(math.pi * i / steps)) / 2
        yield Mark(_LAST_STRIDE + (1 - _LAST_STRIDE) * share, share)


@final
class _Walk:
    """Where n points are, and how far from their inputs they may go."""

    def __init__(self, nearest: Nearest, *, anew: bool) -> None:
        self.nearest = nearest
        self.norm: Measure = nearest.norm
        self.points = (nearest.inputs if anew else nearest.points).clone()
        self.radii = nearest.distances.clone()  # inf before anything is found
        self.width = nearest.bounds[1] - nearest.bounds[0]
        everything = torch.full_like(nearest.inputs[:1], self.width)
        self.largest = float(size_of(self.norm, everything)) if len(nearest) else 0.0

    def step(self, rows: Tensor, fooled: Tensor, slopes: Slopes, mark: Mark) -> None:
        """Resize the radii of some rows, and move their points uphill within them."""
        gradients = torch.nan_to_num(slopes.gradients)
        promised = self._promised(rows, slopes.losses.double().nan_to_num(), gradients)
        self.radii[rows] = self._resized(rows, fooled, promised, mark)
        inputs, radii = self.nearest.inputs[rows], self.radii[rows]
        length = size_of("l2", gradients).clamp_min(_TINY)
        stride = mark.stride * self._first_stride(radii, gradients[0].numel() if len(rows) else 1)
        changes = self.points[rows] - inputs + gradients * scaled(stride / length, gradients)
        changes = within(self.norm, changes, radii)
        self.points[rows] = (inputs + changes).clamp(*self.nearest.bounds)

    def _promised(self, rows: Tensor, losses: Tensor, gradients: Tensor) -> Tensor:
        """Return the distance (m,) at which a linear loss would cross zero."""
        here = size_of(self.norm, self.points[rows].double() - self.nearest.inputs[rows].double())
        slope = size_of(DUAL[self.norm], gradients).clamp_min(_TINY)
        unit = self.width if self.norm == "l0" else 1.0
        return here + losses.abs() / (unit * slope)

    def _resized(self, rows: Tensor, fooled: Tensor, promised: Tensor, mark: Mark) -> Tensor:
        radii, best = self.radii[rows], self.nearest.distances[rows]
        gamma = _LAST_GAMMA + (_GAMMA[self.norm] - _LAST_GAMMA) * mark.ease
        grown = torch.where(radii.isfinite(), _GROWTH[self.norm] * radii, 0.0)
        unknown = torch.maximum(promised, grown)
        larger = torch.where(best.isfinite(), (1 + gamma) * radii, unknown)
        smaller = torch.minimum((1 - gamma) * radii, best)
        if self.norm == "l0":  # whole numbers, at least one more or less
            larger = torch.maximum(larger.floor(), torch.where(radii.isfinite(), radii + 1, 1.0))
            smaller = torch.minimum(smaller.floor(), best - 1).clamp_min(1)
        return torch.where(fooled, smaller, larger).clamp(max=self.largest)

    def _first_stride(self, radii: Tensor, d: int) -> Tensor:
        """Return the Euclidean lengths (m,) of first steps: what crosses the ball."""
        if self.norm == "l0":
            return torch.full_like(radii, self.width)
        return _STRIDE[self.norm] * radii * (math.sqrt(d) if self.norm == "linf" else 1.0)


def within(norm: Measure, changes: Tensor, radii: Tensor) -> Tensor:
    """Return the nearest changes (m, ...) to those given whose size is at most the radius (m,)."""
    match norm:
        case "linf":
            most = scaled(radii, changes)
            return torch.clamp(changes, -most, most)
        case "l2":
            length = size_of("l2", changes).clamp_min(_TINY)
            return changes * scaled((radii / length).clamp(max=1.0), changes)
        case "l1":
            return _shrunk(changes, radii)
        case "l0":
            flat = changes.flatten(1)
            rank = flat.abs().argsort(dim=1, descending=True, stable=True).argsort(dim=1)
            return torch.where(rank < radii[:, None], flat, 0.0).view_as(changes)


def _shrunk(changes: Tensor, radii: Tensor) -> Tensor:
    """Return changes whose sizes all lost one amount, so that they sum to at most the radius.

    Duchi et al., 2008, doi:10.1145/1390156.1390191, figure 1.
    """
    flat = changes.double().flatten(1)
    falling = flat.abs().sort(dim=1, descending=True).values
    count = torch.arange(1, flat.shape[1] + 1, device=flat.device)
    amount = ((falling.cumsum(1) - radii[:, None]) / count).amax(dim=1).clamp_min(0)
    shrunk = flat.sign() * (flat.abs() - amount[:, None]).clamp_min(0)
    return shrunk.to(changes.dtype).view_as(changes)

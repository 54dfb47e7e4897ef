"""A walk along the boundary in random directions that asks for answers alone."""

from __future__ import annotations

import math
from typing import final

import numpy as np
import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.hyperplane import size_of
from auditkit.methods.attacks.nearest import Nearest, scaled
from auditkit.models.classifier import Logits
from auditkit.randomness import at_step, normal, uniform
from auditkit.types import Keys

_APPROACH = 8  # halvings of the way to the input
_REFINED = 3  # halvings of an angle that can be larger
_EVERY = 16  # directions, then another approach
_ANGLE = math.radians(30)  # the first one, and the largest
_LEAST = math.radians(0.5)
_WIDER, _NARROWER = 1.2, 0.85  # angles after a success and after a failure
_SHARES = (0.25, 0.5, 1.0)  # of the frequencies that a direction is made of
_TINY = 1e-12

_SEEK, _BISECT, _UP, _DOWN, _REFINE = range(5)


def surfree(
    logits: Logits, nearest: Nearest, *, keys: Keys, queries: int, batch_size: int = 128
) -> None:
    """Bring the points of `nearest` nearer in L2; only the model's answers are read.

    Random images are asked about until one is misclassified, and bisection leads from there to the
    boundary. Then the point is turned about the input in a random plane, one way and the other, on
    the circle on which a larger angle is nearer to the input; an angle that stays misclassified is
    enlarged by bisection. Directions are smooth or not, at random; angles grow after a success and
    shrink after a failure. Each query is one answer per input, so that more queries continue the
    same search, and an input whose random images are all classified correctly ends without a point.

    Parameters
    ----------
    logits : callable
        The model; only which class wins is used.
    nearest : Nearest
        The inputs (n, c, h, w); points found before are where it starts.
    keys : ndarray
        (n,) one key per input, for its random images and directions.
    queries : int
        Answers per input.
    batch_size : int
        Points per forward pass.

    References
    ----------
    Maho et al., 2021, arXiv:2011.12807, section 4; the adaptive angles are ours.
    """
    walk = _Walk(nearest, keys)
    everything = torch.arange(len(nearest), device=nearest.inputs.device)
    for query in range(queries):
        tried = walk.propose(query)
        fooled = judged(logits, tried, nearest.labels, batch_size=batch_size)
        nearest.offer(everything[fooled], tried[fooled])
        walk.learn(tried, fooled)


@final
class _Walk:
    """Where n inputs are in their searches: each asks one question at a time."""

    def __init__(self, nearest: Nearest, keys: Keys) -> None:
        self.nearest, self.keys = nearest, keys
        n, inputs = len(nearest), nearest.inputs
        device = inputs.device
        self.mode = torch.where(nearest.found, _BISECT, _SEEK)
        self.far = nearest.points.clone()  # misclassified, unless the mode is _SEEK
        self.side = torch.zeros_like(inputs)  # unit vectors across the way to `far`
        self.low = torch.zeros(n, dtype=torch.float64, device=device)
        self.high = torch.ones_like(self.low)
        self.angle = torch.full_like(self.low, _ANGLE)
        self.sign = torch.ones_like(self.low)
        self.asked = torch.zeros(n, dtype=torch.int64, device=device)  # within the mode
        self.turn = torch.zeros_like(self.asked)  # directions so far

    def propose(self, query: int) -> Tensor:
        """Return the points (n, ...) to ask about."""
        inputs, bounds = self.nearest.inputs, self.nearest.bounds
        ways = self.far - inputs
        middle = (self.low + self.high) / 2
        bisected = inputs + scaled(middle, inputs) * ways
        sign = torch.where(self.mode == _DOWN, -1.0, torch.where(self.mode == _UP, 1.0, self.sign))
        angle = sign * torch.where(self.mode == _REFINE, middle, self.angle)
        length = size_of("l2", ways)
        ahead = scaled(angle.cos() ** 2, inputs) * ways
        aside = scaled(length * angle.cos() * angle.sin(), inputs) * self.side
        points = torch.where(self._are(_BISECT), bisected, inputs + ahead + aside)
        if (seeking := self.mode == _SEEK).any():
            points[seeking] = self._anywhere(seeking, query)
        return points.clamp(*bounds)

    def learn(self, tried: Tensor, fooled: Tensor) -> None:
        """Take in the answers (n,): who goes on with what."""
        nearest, mode = self.nearest, self.mode
        self.asked += 1
        seek, bisect, refine = mode == _SEEK, mode == _BISECT, mode == _REFINE
        ask = (mode == _UP) | (mode == _DOWN)
        middle = (self.low + self.high) / 2
        # Bisection of the way: low end right, high end wrong. Of an angle: the other way round.
        self.high = torch.where((bisect & fooled) | (refine & ~fooled), middle, self.high)
        self.low = torch.where((bisect & ~fooled) | (refine & fooled), middle, self.low)
        found = seek & fooled
        self.far[found] = tried[found]
        self._begin(found, _BISECT, 0.0, 1.0)
        hit, missed = ask & fooled, ask & ~fooled
        self.sign = torch.where(hit, torch.where(mode == _UP, 1.0, -1.0), self.sign)
        wider = (2.5 * self.angle).clamp(max=math.pi / 2)
        self._begin(hit, _REFINE, self.angle, wider)
        failed = missed & (mode == _DOWN)
        self.mode = torch.where(missed & (mode == _UP), _DOWN, self.mode)
        ended = refine & (self.asked >= _REFINED)
        self.angle = torch.where(ended, (_WIDER * self.angle).clamp(max=_ANGLE), self.angle)
        self.angle = torch.where(failed, (_NARROWER * self.angle).clamp_min(_LEAST), self.angle)
        turned = ended | failed
        self.turn += turned
        over = turned | (bisect & (self.asked >= _APPROACH))
        self.far[over] = nearest.points[over]
        again = turned & (self.turn % _EVERY == 0)
        self._begin(again, _BISECT, 0.0, 1.0)
        self._aim(over & ~again)

    def _are(self, mode: int) -> Tensor:
        return (self.mode == mode).view(-1, *[1] * (self.far.ndim - 1))

    def _begin(self, rows: Tensor, mode: int, low: Tensor | float, high: Tensor | float) -> None:
        self.mode = torch.where(rows, mode, self.mode)
        self.asked = torch.where(rows, 0, self.asked)
        self.low, self.high = torch.where(rows, low, self.low), torch.where(rows, high, self.high)

    def _aim(self, rows: Tensor) -> None:
        """Draw new directions, at right angles to the ways, for the rows that are true."""
        if not rows.any():
            return
        self.mode = torch.where(rows, _UP, self.mode)
        self.asked = torch.where(rows, 0, self.asked)
        ways = (self.far - self.nearest.inputs)[rows].double().flatten(1)
        ways /= ways.norm(dim=1, keepdim=True).clamp_min(_TINY)
        mine = at_step(self._keys(rows), 2 * self.turn[rows].cpu().numpy() + 1)
        drawn = _smooth(mine, tuple(self.far.shape[1:])).to(ways).flatten(1)
        drawn -= (drawn * ways).sum(dim=1, keepdim=True) * ways
        drawn /= drawn.norm(dim=1, keepdim=True).clamp_min(_TINY)
        self.side[rows] = drawn.to(self.side.dtype).view_as(self.side[rows])

    def _anywhere(self, rows: Tensor, query: int) -> Tensor:
        """Return images whose pixels are uniform within the bounds."""
        low, high = self.nearest.bounds
        draws = uniform(at_step(self._keys(rows), 2 * query), tuple(self.far.shape[1:]))
        return (low + (high - low) * torch.from_numpy(draws)).to(self.far)

    def _keys(self, rows: Tensor) -> Keys:
        return self.keys[rows.cpu().numpy()]


def _smooth(keys: Keys, shape: tuple[int, ...]) -> Tensor:
    """Return random images (m, c, h, w), each of its own share of the cosine frequencies."""
    h, w = shape[1:]
    share = np.array(_SHARES)[(uniform(keys, ()) * len(_SHARES)).astype(int)]  # (m,)
    waves = torch.from_numpy(normal(at_step(keys, 1 << 40), shape))  # (m, c, h, w)
    rows, columns = _cosines(h), _cosines(w)
    tall = torch.arange(h)[None] < torch.from_numpy(np.ceil(share * h))[:, None]  # (m, h)
    wide = torch.arange(w)[None] < torch.from_numpy(np.ceil(share * w))[:, None]
    waves = waves * tall[:, None, :, None] * wide[:, None, None, :]
    return rows.T @ waves @ columns


def _cosines(size: int) -> Tensor:
    """Return the orthonormal cosine waves (size, size), slow ones first, float64."""
    k, x = torch.arange(size).double()[:, None], torch.arange(size).double()[None]
    waves = torch.cos(math.pi * (x + 0.5) * k / size)
    return waves / waves.norm(dim=1, keepdim=True)

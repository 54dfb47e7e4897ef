"""Square attack where the whole change counts (L2, L1): squares take size from other squares."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.attacks.ball import Ball
from auditkit.methods.attacks.nearest import scaled
from auditkit.methods.attacks.square import draws_of, random_search, side_of
from auditkit.models.classifier import Logits
from auditkit.randomness import at_step, uniform
from auditkit.types import Keys

_FIRST_SHARE = 0.8  # of the pixels that the first squares cover
_LEAST_SIDE = 3
_TILES = 5  # of the start, along each side
_TINY = 1e-12


def square_sum(
    logits: Logits,
    labels: Tensor,
    *,
    ball: Ball,
    keys: Keys,
    queries: int,
    give_up: bool = False,
    search: Logits | None = None,
    batch_size: int = 128,
) -> Tensor:
    """Return misclassified images of the ball, or those of the smallest margin that were met.

    Starts with five by five tiles; every query empties one random square of the change and gives
    its size, and what the bounds had cut off, to another one, in the shape of two cones of one
    random sign per channel. The proposal stays where the margin got no better for the label. The
    size of the squares follows the number of the query alone, so that more queries continue a
    search and never lose a success.

    Parameters
    ----------
    logits : callable
        The model in its own precision.
    labels : Tensor
        (n,) int64.
    ball : L2Ball or L1Ball
        Around n images (n, c, h, w).
    keys : ndarray
        (n,) one key per image, for its random squares.
    queries : int
        Forward passes per image, at least 1; up to four times as many where they still gain much.
    give_up : bool
        Whether a search without hope ends early, as where stronger attacks failed before.
    search : callable, optional
        The model in a cheaper precision; what it takes for a success is judged again.
    batch_size : int
        Images per forward pass.

    References
    ----------
    Andriushchenko et al., 2020, arXiv:1912.00049, algorithm 3 (L2).
    Croce and Hein, 2021, arXiv:2103.01208, section 4 (L1).
    """
    c, h, w = ball.inputs.shape[1:]
    power = 2 if ball.norm == "l2" else 1
    everything = torch.arange(len(labels), device=labels.device)

    def propose(points: Tensor, rows: Tensor, query: int) -> Tensor:
        side = min(h, w, max(_LEAST_SIDE, side_of(query, h, w, share=_FIRST_SHARE)) | 1)
        draws = draws_of(keys, query, 5 + c, rows)
        changes = points - ball.inputs[rows]
        here = _window(draws[:, 0], draws[:, 1], side, h, w)  # (m, h, w)
        there = _window(draws[:, 2], draws[:, 3], side, h, w) & ~here
        mass = changes.abs() ** power  # (m, c, h, w)
        spare = (ball.epsilon**power - mass.flatten(1).sum(dim=1)).clamp_min(0)
        moved = (mass * (here | there)[:, None]).sum(dim=(2, 3)) + spare[:, None] / c  # (m, c)
        signs = torch.where(draws[:, 4 : 4 + c] < 0.5, 1.0, -1.0).to(points)  # (m, c)
        cones = _cones(side, turned=draws[:, 4 + c] < 0.5).to(points)  # (m, side, side)
        fresh = _placed(cones, draws[:, 0], draws[:, 1], h, w)[:, None] * signs[:, :, None, None]
        old = changes * here[:, None]
        fresh = fresh + old / _lengths(old, power)
        fresh = fresh * (moved ** (1 / power))[:, :, None, None] / _lengths(fresh, power)
        changes = torch.where((here | there)[:, None], 0.0, changes) + fresh
        return _filled(ball, changes, rows)

    start = _filled(ball, _tiles(keys, tuple(ball.inputs.shape[1:])).to(ball.inputs), everything)
    return random_search(
        logits,
        labels,
        start,
        propose,
        queries=queries,
        give_up=give_up,
        search=search,
        batch_size=batch_size,
    )


def _filled(ball: Ball, changes: Tensor, rows: Tensor) -> Tensor:
    """Return the points at the ball's surface along changes (m, ...), cut at the bounds."""
    factor = ball.radius / ball.size(changes).clamp_min(_TINY)
    return (ball.inputs[rows] + changes * scaled(factor, changes)).clamp(*ball.bounds)


def _lengths(changes: Tensor, power: int) -> Tensor:
    """Return the size of each channel (m, c, 1, 1), at least something."""
    total = (changes.abs() ** power).sum(dim=(2, 3), keepdim=True)
    return (total ** (1 / power)).clamp_min(_TINY)


def _corner(draw: Tensor, side: int, size: int) -> Tensor:
    return (draw * (size - side + 1)).long()


def _window(top: Tensor, left: Tensor, side: int, h: int, w: int) -> Tensor:
    """Return which pixels (m, h, w) lie in the square of each image."""
    y = torch.arange(h, device=top.device) - _corner(top, side, h)[:, None]
    x = torch.arange(w, device=left.device) - _corner(left, side, w)[:, None]
    return ((y >= 0) & (y < side))[:, :, None] & ((x >= 0) & (x < side))[:, None]


def _placed(cones: Tensor, top: Tensor, left: Tensor, h: int, w: int) -> Tensor:
    """Return images (m, h, w) that hold squares (m, side, side) at their places."""
    side = cones.shape[1]
    y = torch.arange(h, device=top.device) - _corner(top, side, h)[:, None]  # (m, h)
    x = torch.arange(w, device=left.device) - _corner(left, side, w)[:, None]
    image = torch.arange(len(cones), device=top.device)[:, None, None]
    values = cones[image, y.clamp(0, side - 1)[:, :, None], x.clamp(0, side - 1)[:, None]]
    return values * _window(top, left, side, h, w)


def _cones(side: int, *, turned: Tensor) -> Tensor:
    """Return two cones of opposite signs side by side, lying or, if turned, standing, (m, s, s)."""
    half = side // 2 + 1
    column = torch.cat([_cone(half, side), -_cone(side - half, side)])  # (side, side)
    column = column / column.norm()
    return torch.where(turned[:, None, None], column.T, column)


def _cone(height: int, width: int) -> Tensor:
    """Return rings (height, width) that weigh more the nearer they are to the middle."""
    y = torch.minimum(torch.arange(height), torch.arange(height).flip(0))
    x = torch.minimum(torch.arange(width), torch.arange(width).flip(0))
    ring = torch.minimum(y[:, None], x[None])  # 0 at the rim
    weights = torch.cumsum(1 / (torch.arange(1, max(1, height) + 1).double() ** 2).flip(0), 0)
    return weights[ring] if height else torch.zeros(0, width, dtype=torch.float64)


def _tiles(keys: Keys, shape: tuple[int, ...]) -> Tensor:
    """Return tiles of cones of random signs, as many as there is room for."""
    c, h, w = shape
    side = max(1, min(h, w) // _TILES)
    down, across = -(-h // side), -(-w // side)
    signs = torch.from_numpy(uniform(at_step(keys, 1 << 40), (c, down, across)) < 0.5)
    grid = torch.where(signs, 1.0, -1.0).repeat_interleave(side, 2).repeat_interleave(side, 3)
    y, x = torch.arange(h) % side, torch.arange(w) % side
    upright = torch.zeros(1, dtype=torch.bool)
    cone = _cones(side, turned=upright)[0] if side > 1 else torch.ones(1, 1)
    return grid[:, :, :h, :w] * cone[y[:, None], x[None]]

"""Projected gradient ascent that chooses its own step sizes, on the inputs that still hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import (
    CLEARLY,
    judged,
    misclassified,
    scores_and_gradients,
)
from auditkit.methods.attacks.ball import Ball, column
from auditkit.methods.attacks.losses import Loss, log_odds_against
from auditkit.models.classifier import Logits

FIRST_ROUND = 12  # steps; every further round has twice as many as the one before
_MOMENTUM = 0.25  # share of the last move that is made again
_RISES = 0.75  # share of the steps that must raise the loss, or the step is halved


@final
class Ascent(NamedTuple):
    """Where an attack ended."""

    points: Tensor  # (n, ...) the first misclassified point, else the one of the highest loss
    fooled: Tensor  # (n,) bool
    losses: Tensor  # (n,) the highest that was seen


def apgd(
    logits: Logits,
    labels: Tensor,
    *,
    ball: Ball,
    start: Tensor,
    steps: int,
    loss: Loss = log_odds_against,
    search: Logits | None = None,
    batch_size: int = 128,
) -> Ascent:
    """Return misclassified points of a ball, or those of the highest loss.

    The step starts at twice the radius and is halved, going back to the best point, where the loss
    rose too seldom or no longer at all. The steps are dealt out in rounds of 12, 24, 48, ...: each
    starts at the best point with the large step again. A path does not depend on how many steps are
    left, so that more steps continue it and never lose a success; and an input that falls costs
    nothing any more.

    Parameters
    ----------
    logits : callable
        The model in its own precision; it alone judges.
    labels : Tensor
        (n,) int64.
    ball : Ball
        Where the attack may go.
    start : Tensor
        (n, ...) first points, within the ball.
    steps : int
        How often a point may move.
    loss : Loss
        What is to rise; its rows are those of the ball.
    search : callable, optional
        The model in a cheaper precision, used for gradients and to propose candidates.
    batch_size : int
        Points per forward pass.

    References
    ----------
    Croce and Hein, 2020, arXiv:2003.01690, algorithm 1; the rounds are ours.
    """
    paths = _Paths(start)
    active = torch.arange(len(start), device=start.device)
    for mark in _marks(steps):
        held: list[Tensor] = []
        for batch in active.split(batch_size):
            points, truth = paths.points[batch], labels[batch]
            slopes = scores_and_gradients(search or logits, points, truth, loss=loss, rows=batch)
            fooled = misclassified(slopes.scores, truth, margin=CLEARLY)
            if search is not None and fooled.any():
                fooled[fooled.clone()] = judged(logits, points[fooled], truth[fooled])
            paths.fooled[batch] = fooled
            paths.note(batch, slopes.losses, slopes.gradients)
            held.append(batch[~fooled])
        active = torch.cat(held) if held else active
        if len(active) == 0:
            break
        paths.adapt(active, mark)
        paths.move(active, ball)
    paths.fooled[active] = judged(
        logits, paths.points[active], labels[active], batch_size=batch_size
    )
    points = torch.where(column(paths.fooled, start), paths.points, paths.best)
    return Ascent(points, paths.fooled, paths.highest)


@final
class _Paths:
    """Where n paths are, where they were, and how it went."""

    def __init__(self, start: Tensor) -> None:
        n, device = len(start), start.device
        self.points = start.clone()
        self.moves = torch.zeros_like(start)  # the last ones
        self.slopes = torch.zeros_like(start)  # at the points
        self.best = start.clone()
        self.best_slopes = torch.zeros_like(start)
        self.fooled = torch.zeros(n, dtype=torch.bool, device=device)
        self.sizes = torch.full((n,), _LARGE, device=device)
        self.losses = torch.full((n,), torch.inf, device=device)  # the latest
        self.highest = torch.full((n,), -torch.inf, device=device)
        self.rises = torch.zeros(n, device=device)  # since the last check
        self.highest_before = torch.full((n,), -torch.inf, device=device)  # at the last check
        self.halved_before = torch.ones(n, dtype=torch.bool, device=device)

    def note(self, rows: Tensor, losses: Tensor, slopes: Tensor) -> None:
        """Take in losses (m,) and gradients (m, ...) at the points of some rows."""
        losses = losses.float()
        self.slopes[rows] = slopes
        self.rises[rows] += losses > self.losses[rows]
        self.losses[rows] = losses
        better = losses > self.highest[rows]
        rows = rows[better]
        self.highest[rows] = losses[better]
        self.best[rows] = self.points[rows]
        self.best_slopes[rows] = slopes[better]

    def adapt(self, rows: Tensor, mark: _Mark) -> None:
        """Halve the steps that are too long, or make all of them long again."""
        if mark.checks:
            seldom = self.rises[rows] <= _RISES * mark.since
            stuck = ~self.halved_before[rows] & (self.highest_before[rows] >= self.highest[rows])
            halved = seldom | stuck
            self.halved_before[rows] = halved
            self.highest_before[rows] = self.highest[rows]
            self.rises[rows] = 0
            self.sizes[rows[halved]] /= 2
            self._go_back(rows[halved])
        if mark.ends:
            self.sizes[rows] = _LARGE
            self.halved_before[rows] = True
            self._go_back(rows)

    def _go_back(self, rows: Tensor) -> None:
        self.points[rows] = self.best[rows]
        self.slopes[rows] = self.best_slopes[rows]
        self.moves[rows] = 0

    def move(self, rows: Tensor, ball: Ball) -> None:
        """Move the points of some rows uphill."""
        points = self.points[rows]
        step = column(self.sizes[rows], points) * ball.direction(self.slopes[rows])
        far = ball.project(points + step, rows)
        last = self.moves[rows]
        # The first step of a path has no move to go on with.
        share = column(1 - _MOMENTUM * last.flatten(1).any(dim=1).float(), points)
        new = ball.project(points + share * (far - points) + _MOMENTUM * last, rows)
        self.moves[rows] = new - points
        self.points[rows] = new


_LARGE = 2.0  # radii


@final
@dataclass(frozen=True)
class _Mark:
    """What happens after a step."""

    checks: bool
    since: int  # steps since the last check
    ends: bool  # a round


def _marks(steps: int) -> Iterator[_Mark]:
    """Yield the marks of so many steps; those of fewer steps are the first of them."""
    done, length = 0, FIRST_ROUND
    while done < steps:
        interval, least, less = (max(1, int(share * length)) for share in (0.22, 0.06, 0.03))
        since = 0
        for i in range(1, min(length, steps - done) + 1):
            since += 1
            checks = since == interval
            yield _Mark(checks, since, ends=i == length)
            if checks:
                since, interval = 0, max(least, interval - less)
        done, length = done + length, 2 * length

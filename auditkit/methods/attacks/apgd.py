"""Projected gradient ascent that chooses its own step sizes, on the inputs that still hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import judged, slopes_and_successes
from auditkit.methods.attacks.ball import Ball, column
from auditkit.methods.attacks.losses import Loss, log_odds_against
from auditkit.models.classifier import Logits

ROUND = 36  # steps of the first round; every further one has twice as many
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
    first_round: int = ROUND,
    loss: Loss = log_odds_against,
    search: Logits | None = None,
    batch_size: int = 128,
) -> Ascent:
    """Return misclassified points of a ball, or those of the highest loss.

    The step starts at twice the radius and is halved, going back to the best point, where the loss
    rose too seldom or no longer at all. The steps are dealt out in rounds, each twice as long as
    the one before and with its step sizes spread over its length. Every round begins at `start`: on
    from the best point it would stay where a shorter round went first. A path does not depend on
    how many steps are left, so that more steps never lose a success; and an input that falls costs
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
        How often a point may move, over all rounds.
    first_round : int
        Steps of the first round.
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
    done, length = 0, first_round
    while done < steps:
        paths.begin(start)
        (active,) = torch.where(~paths.fooled)
        for mark in _marks(min(length, steps - done), length):
            held = [active[:0]]
            for batch in active.split(batch_size):
                points, truth = paths.points[batch], labels[batch]
                slopes, fooled = slopes_and_successes(
                    logits, points, truth, search=search, loss=loss, rows=batch
                )
                paths.fooled[batch] = fooled
                paths.note(batch, slopes.losses, slopes.gradients)
                held.append(batch[~fooled])
            active = torch.cat(held)
            if len(active) == 0:
                break
            paths.adapt(active, mark)
            paths.move(active, ball)
        last = paths.points[active]
        paths.fooled[active] = judged(logits, last, labels[active], batch_size=batch_size)
        paths.keep()
        done, length = done + length, 2 * length
    return Ascent(paths.kept, paths.fooled, paths.highest_kept)


@final
class _Paths:
    """Where n paths are, where they were, and how it went."""

    def __init__(self, start: Tensor) -> None:
        self.fooled = torch.zeros(len(start), dtype=torch.bool, device=start.device)
        self.kept = start.clone()  # the first misclassified points, else the best of all rounds
        self.highest_kept = torch.full((len(start),), -torch.inf, device=start.device)

    def begin(self, start: Tensor) -> None:
        """Begin a round."""
        n, device = len(start), start.device
        self.points = torch.where(column(self.fooled, start), self.kept, start)
        self.moves = torch.zeros_like(start)  # the last ones
        self.slopes = torch.zeros_like(start)  # at the points
        self.best = self.points.clone()
        self.best_slopes = torch.zeros_like(start)
        self.sizes = torch.full((n,), _LARGE, device=device)
        self.losses = torch.full((n,), torch.inf, device=device)  # the latest
        self.highest = torch.full((n,), -torch.inf, device=device)
        self.rises = torch.zeros(n, device=device)  # since the last check
        self.highest_before = torch.full((n,), -torch.inf, device=device)  # at the last check
        self.halved_before = torch.ones(n, dtype=torch.bool, device=device)

    def keep(self) -> None:
        """End a round."""
        better = column(self.highest > self.highest_kept, self.kept)
        reached = torch.where(column(self.fooled, self.kept), self.points, self.best)
        self.kept = torch.where(better | column(self.fooled, self.kept), reached, self.kept)
        self.highest_kept = torch.maximum(self.highest, self.highest_kept)

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
        """Halve the steps that are too long, and go back to the best points."""
        if not mark.checks:
            return
        seldom = self.rises[rows] <= _RISES * mark.since
        stuck = ~self.halved_before[rows] & (self.highest_before[rows] >= self.highest[rows])
        halved = seldom | stuck
        self.halved_before[rows] = halved
        self.highest_before[rows] = self.highest[rows]
        self.rises[rows] = 0
        rows = rows[halved]
        self.sizes[rows] /= 2
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


def _marks(steps: int, length: int) -> Iterator[_Mark]:
    """Yield the marks of the first steps of a round; checks come closer and closer."""
    interval, least, less = (max(1, int(share * length)) for share in (0.22, 0.06, 0.03))
    since = 0
    for _ in range(steps):
        since += 1
        checks = since == interval
        yield _Mark(checks, since)
        if checks:
            since, interval = 0, max(least, interval - less)

"""The attacks that `worst-case` tries, in their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import final

import torch
from torch import Tensor

from auditkit.methods.attacks.apgd import apgd
from auditkit.methods.attacks.ball import BALLS, Ball, LinfBall, Norm, column
from auditkit.methods.attacks.losses import Loss, log_odds_against, logits_ratio
from auditkit.methods.attacks.minimum_norm import minimum_norm
from auditkit.methods.attacks.narrowing import Attack
from auditkit.methods.attacks.square import square_linf
from auditkit.methods.attacks.square_sum import square_sum
from auditkit.methods.attacks.targeted import targeted_apgd
from auditkit.models.classifier import Logits
from auditkit.randomness import uniform
from auditkit.types import Keys

LOG_ODDS, RATIO, TARGETED, SQUARE = "apgd-log-odds", "apgd-ratio", "apgd-targeted", "square"
MINIMUM = "minimum-norm"  # in L2 and L1 it finds what ascent within a radius misses
STEPS = 36  # of an ascent with one loss
_ROUNDS = 4  # of the search for small changes


def names_of(norm: Norm, *, gradients: bool) -> tuple[str, ...]:
    """Return the names of the attacks that are tried, in their order."""
    if not gradients:
        return (SQUARE,)
    return (LOG_ODDS, RATIO, TARGETED, *(() if norm == "linf" else (MINIMUM,)), SQUARE)


@final
@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """Attacks on n images in one norm, strong and cheap ones first.

    Parameters
    ----------
    logits : callable
        The model in its own precision; it alone judges.
    search : callable, optional
        The model in a cheaper precision.
    images : Tensor
        (n, c, h, w) within the bounds.
    labels : Tensor
        (n,) int64.
    norm : Norm
        What a radius measures.
    bounds : (low, high)
        Range of a pixel; radii are in units of it.
    keys : callable
        Maps a purpose to one key per image (n,).
    queries : int
        Random squares per image.
    gradients : bool
        Whether the model has any; otherwise only scores are used.
    batch_size : int
        Images per forward pass.
    """

    logits: Logits
    search: Logits | None = None
    images: Tensor
    labels: Tensor
    norm: Norm
    bounds: tuple[float, float]
    keys: Callable[[str], Keys]
    queries: int
    gradients: bool = True
    batch_size: int = 128

    def attacks(self) -> dict[str, Attack]:
        """Return the attacks by name.

        Where a misclassified point is known from a larger radius, ascent starts at the nearest one
        that is allowed, else at a random one.
        """
        known: dict[str, Attack] = {
            LOG_ODDS: partial(self._ascent, LOG_ODDS, log_odds_against),
            RATIO: partial(self._ascent, RATIO, logits_ratio),
            TARGETED: self._targeted,
            MINIMUM: self._smallest,
            SQUARE: self._squares,
        }
        return {name: known[name] for name in names_of(self.norm, gradients=self.gradients)}

    def _ball(self, rows: Tensor, radius: float) -> Ball:
        epsilon = radius * (self.bounds[1] - self.bounds[0])
        return BALLS[self.norm](self.images[rows], epsilon=epsilon, bounds=self.bounds)

    def _start(self, name: str, ball: Ball, rows: Tensor, known: Tensor) -> Tensor:
        draws = uniform(self.keys(name)[rows.cpu().numpy()], tuple(self.images.shape[1:]))
        anywhere = ball.start(torch.from_numpy(2 * draws - 1).to(self.images))
        found = (known != ball.inputs).flatten(1).any(dim=1)
        return torch.where(column(found, known), ball.project(known), anywhere)

    def _ascent(self, name: str, loss: Loss, rows: Tensor, radius: float, known: Tensor) -> Tensor:
        ball = self._ball(rows, radius)
        return apgd(
            self.logits,
            self.labels[rows],
            ball=ball,
            start=self._start(name, ball, rows, known),
            steps=STEPS,
            loss=loss,
            search=self.search,
            batch_size=self.batch_size,
        ).points

    def _targeted(self, rows: Tensor, radius: float, known: Tensor) -> Tensor:
        ball = self._ball(rows, radius)
        return targeted_apgd(
            self.logits,
            self.labels[rows],
            ball=ball,
            start=self._start(TARGETED, ball, rows, known),
            search=self.search,
            batch_size=self.batch_size,
        )

    def _smallest(self, rows: Tensor, radius: float, _known: Tensor) -> Tensor:
        ball, inputs = self._ball(rows, radius), self.images[rows]
        found = minimum_norm(
            self.logits,
            inputs,
            self.labels[rows],
            norm=self.norm,
            bounds=self.bounds,
            rounds=_ROUNDS,
            search=self.search,
            batch_size=self.batch_size,
        )
        within = column(found.distances <= ball.epsilon, inputs)
        return torch.where(within, found.points, inputs)

    def _squares(self, rows: Tensor, radius: float, _known: Tensor) -> Tensor:
        ball = self._ball(rows, radius)
        attack = partial(square_sum, ball=ball)
        if isinstance(ball, LinfBall):
            attack = partial(square_linf, ball=ball)
        return attack(
            self.logits,
            self.labels[rows],
            keys=self.keys(SQUARE)[rows.cpu().numpy()],
            queries=self.queries,
            give_up=self.gradients,
            search=self.search,
            batch_size=self.batch_size,
        )

"""The smallest change that any attack finds, and which one found it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.apgd import apgd
from auditkit.methods.attacks.ball import BALLS, Ball
from auditkit.methods.attacks.foolbox_adapter import ATTACKS, run_foolbox
from auditkit.methods.attacks.hyperplane import Measure
from auditkit.methods.attacks.losses import Loss, log_odds_against, logits_ratio
from auditkit.methods.attacks.minimum_norm import minimum_norm
from auditkit.methods.attacks.momentum import momentum
from auditkit.methods.attacks.nearest import Nearest
from auditkit.methods.attacks.rays import rays
from auditkit.methods.attacks.square import square_linf
from auditkit.methods.attacks.square_sum import square_sum
from auditkit.methods.attacks.surfree import surfree
from auditkit.models.classifier import Logits
from auditkit.randomness import uniform
from auditkit.types import Keys

MINIMUM, RAYS, SURFREE = "minimum-norm", "rays", "surfree"
LOG_ODDS, RATIO, MOMENTUM, SQUARE = "apgd-log-odds", "apgd-ratio", "momentum", "square"
_BEYOND = (1.0, 1.001, 1.01)  # some attacks of foolbox end on the boundary itself
STEPS = 36  # of an ascent within a fixed radius


@final
class Smallest(NamedTuple):
    """What the attacks found; distances are in input units."""

    distances: Tensor  # (n,) float64; inf where no attack changed the answer
    before: Tensor  # (n,) float64; the same without the attacks within fixed radii
    points: Tensor  # (n, ...) misclassified at that distance or nearer; else the input
    attacks: tuple[str, ...]  # (n,) which one found it; empty where none did


@final
@dataclass(frozen=True, kw_only=True)
class SmallestChange:
    """Attacks on n images that are all classified correctly, in one norm.

    First those that look for small changes: along gradients, by answers alone, and any of foolbox
    that were asked for. Then, within each radius from the largest to the smallest, attacks on the
    images that no one changed there; what holds against these is left alone from then on. What
    they find counts as found at the radius, and their starts depend on nothing that was found
    before, so that more rounds or queries never give a larger distance.

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
    norm : Measure
        What is to be small.
    bounds : (low, high)
        Range of a pixel.
    radii : sequence of float
        Radii, in input units, that are also attacked as such; not in L0.
    keys : callable
        Maps a purpose to one key per image (n,).
    rounds : int
        Of the attack along gradients.
    queries : int
        Answers per image, or scores per image and radius where there are no gradients; 0 for none.
    gradients : bool
        Whether the model has any.
    foolbox : sequence of str
        Attacks of foolbox that are tried too; those for another norm are left out.
    batch_size : int
        Images per forward pass.
    """

    logits: Logits
    search: Logits | None = None
    images: Tensor
    labels: Tensor
    norm: Measure
    bounds: tuple[float, float]
    radii: Sequence[float] = ()
    keys: Callable[[str], Keys]
    rounds: int
    queries: int
    gradients: bool = True
    foolbox: Sequence[str] = ()
    batch_size: int = 128

    def run(self) -> Smallest:
        """Return the smallest changes."""
        nearest = Nearest(self.images, self.labels, norm=self.norm, bounds=self.bounds)
        by = np.full(len(self.images), "", dtype=object)
        everything = torch.arange(len(self.images), device=self.images.device)
        for name, attack in self._minimal().items():
            points = attack()
            fooled = judged(self.logits, points, self.labels, batch_size=self.batch_size)
            nearer = everything[fooled][nearest.offer(everything[fooled], points[fooled])]
            by[nearer.cpu().numpy()] = name
        distances, points = nearest.distances.clone(), nearest.points.clone()
        held = torch.zeros_like(self.labels, dtype=torch.bool)
        for radius in sorted(self.radii, reverse=True) if self.norm in BALLS else ():
            for name, attack in self._within().items():
                (rows,) = torch.where((distances > radius) & ~held)
                if len(rows) == 0:
                    break
                moved = attack(rows, self._ball(rows, radius))
                fooled = judged(self.logits, moved, self.labels[rows], batch_size=self.batch_size)
                fallen = rows[fooled]
                distances[fallen], points[fallen] = radius, moved[fooled]
                by[fallen.cpu().numpy()] = name
            held |= distances > radius
        return Smallest(distances, nearest.distances, points, tuple(by.tolist()))

    def _minimal(self) -> dict[str, Callable[[], Tensor]]:
        """Return the attacks that look for small changes; each gives points (n, ...)."""
        found: dict[str, Callable[[], Tensor]] = {}
        if self.gradients:
            found[MINIMUM] = self._by_gradients
        if self.queries:
            found[RAYS if self.norm == "linf" else SURFREE] = self._by_answers
        for name in self.foolbox:
            attack = ATTACKS[name]
            usable = self.gradients or attack.kind != "gradient"
            if attack.norm in (None, self.norm) and usable:
                found[name] = partial(self._by_foolbox, name)
        return found

    def _by_gradients(self) -> Tensor:
        return minimum_norm(
            self.logits,
            self.images,
            self.labels,
            norm=self.norm,
            bounds=self.bounds,
            rounds=self.rounds,
            search=self.search,
            batch_size=self.batch_size,
        ).points

    def _by_answers(self) -> Tensor:
        nearest = Nearest(self.images, self.labels, norm=self.norm, bounds=self.bounds)
        queries, size = self.queries, self.batch_size
        if self.norm == "linf":
            rays(self.logits, nearest, queries=queries, batch_size=size)
        else:
            keys = self.keys(SURFREE)
            surfree(self.logits, nearest, keys=keys, queries=queries, batch_size=size)
        return nearest.points

    def _by_foolbox(self, name: str) -> Tensor:
        points = run_foolbox(
            name,
            self.logits,
            self.images,
            self.labels,
            bounds=self.bounds,
            keys=self.keys(name),
            batch_size=self.batch_size,
        )
        nearest = Nearest(self.images, self.labels, norm=self.norm, bounds=self.bounds)
        for beyond in _BEYOND:
            tried = (self.images + beyond * (points - self.images)).clamp(*self.bounds)
            fooled = judged(self.logits, tried, self.labels, batch_size=self.batch_size)
            (rows,) = torch.where(fooled & ~nearest.found)
            nearest.offer(rows, tried[rows])
        (rows,) = torch.where(nearest.found)
        nearest.shorten(self.logits, rows, batch_size=self.batch_size)
        return nearest.points

    def _within(self) -> dict[str, Callable[[Tensor, Ball], Tensor]]:
        """Return the attacks within a radius; each maps rows and their balls to points."""
        if not self.gradients:
            return {SQUARE: self._squares} if self.queries else {}
        return {
            LOG_ODDS: partial(self._ascent, LOG_ODDS, log_odds_against),
            RATIO: partial(self._ascent, RATIO, logits_ratio),
            MOMENTUM: self._momentum,
        }

    def _ball(self, rows: Tensor, radius: float) -> Ball:
        assert self.norm != "l0"
        return BALLS[self.norm](self.images[rows], epsilon=radius, bounds=self.bounds)

    def _ascent(self, name: str, loss: Loss, rows: Tensor, ball: Ball) -> Tensor:
        draws = uniform(self._keys(name, rows), tuple(self.images.shape[1:]))
        return apgd(
            self.logits,
            self.labels[rows],
            ball=ball,
            start=ball.start(torch.from_numpy(2 * draws - 1).to(self.images)),
            steps=STEPS,
            loss=loss,
            search=self.search,
            batch_size=self.batch_size,
        ).points

    def _momentum(self, rows: Tensor, ball: Ball) -> Tensor:
        return momentum(
            self.logits,
            self.labels[rows],
            ball=ball,
            steps=STEPS,
            search=self.search,
            batch_size=self.batch_size,
        )

    def _squares(self, rows: Tensor, ball: Ball) -> Tensor:
        attack = square_linf if self.norm == "linf" else square_sum
        return attack(
            self.logits,
            self.labels[rows],
            ball=ball,  # type: ignore[arg-type]
            keys=self._keys(SQUARE, rows),
            queries=self.queries,
            search=self.search,
            batch_size=self.batch_size,
        )

    def _keys(self, name: str, rows: Tensor) -> Keys:
        return self.keys(name)[rows.cpu().numpy()]

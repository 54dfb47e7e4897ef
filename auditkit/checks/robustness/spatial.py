"""Do predictions survive the worst small rotation and shift?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, TypeAlias, final

import numpy as np
import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.galleries import galleries, shown
from auditkit.checks.parameters import require_least
from auditkit.checks.robustness._flips import (
    ATTACK_SUCCESS_RATE,
    ROBUST_ACCURACY,
    ascending,
    at_the_middle_budget,
    robustness,
    robustness_curve,
    stepwise_scores,
)
from auditkit.checks.robustness._images import attackable, perturbed_row
from auditkit.errors import ConfigError
from auditkit.findings import Curve, Finding, Metric, Selection
from auditkit.methods.attacks.escalation import escalate
from auditkit.methods.attacks.spatial import moved, worst_moves
from auditkit.randomness import uniform
from auditkit.types import Floats

ROUNDS = 2  # of tries around the worst one so far

_Moves: TypeAlias = Callable[[Tensor, float], Tensor]
"""Maps rows (m,) and the largest rotation to degrees and shifts (m, 3)."""


@final
@dataclass(frozen=True, kw_only=True)
class Spatial(Check):
    """Robust accuracy under the worst rotation and shift out of a grid and tries around its worst.

    Parameters
    ----------
    degrees : tuple of float
        Largest rotation to either side, increasing, in (0, 180].
    shift : float
        Largest shift in each direction at the largest rotation, as a share of the side, in
        [0, 0.5]; at a smaller rotation proportionally less.
    tries : int
        Moves tried around the worst one in each of two rounds.

    Raises
    ------
    ConfigError
        If the rotations do not increase within (0, 180], the shift lies outside [0, 0.5], or tries
        is negative.

    References
    ----------
    Engstrom et al., 2019, arXiv:1712.02779.
    """

    meta: ClassVar[Meta] = Meta(
        id="spatial",
        family="robustness",
        question="Do predictions survive the worst small rotation and shift?",
        explanation="Every image is turned about its centre and shifted, in 63 ways over the whole"
        " range and then around the one that hurts most. Values between pixels are interpolated"
        " bilinearly, and what comes in from outside the image has the lowest value of a pixel. An"
        " image that falls to a small rotation counts as fallen at every larger one. One rotation"
        " and shift drawn at random from the same range says how much worse the worst is.",
        not_shown="An upper bound: the search looks at the model's scores alone and may miss a"
        " worse move. Some images lose what tells their class when they are turned far (6 and"
        " 9): look at the shown ones. Zoom, shear and perspective are not tried.",
        remedy="Train on rotated and shifted copies, best on the worst of several; classify"
        " several turned copies and take the majority.",
        metrics={
            "robust_accuracy": ROBUST_ACCURACY.model_copy(
                update={
                    "plain": "Of all images, {value} are read correctly and stay so when an attack"
                    " may turn them by up to {degrees} degrees and shift them"
                }
            ),
            "attack_success_rate": ATTACK_SUCCESS_RATE,
            "random_success_rate": Metric(
                label="success rate of one random move",
                definition="Share of the correctly classified inputs whose answer is made wrong by"
                " one rotation and shift drawn at random within the budget, or within a smaller"
                " one that is listed. For comparison.",
                unit="share",
                better="lower",
            ),
        },
        headline="spatial/robust_accuracy/all/*",
        modalities=("image",),
        references=("Engstrom et al., 2019, arXiv:1712.02779",),
    )
    degrees: tuple[float, ...] = (10.0, 20.0, 30.0)
    shift: float = 0.1
    tries: int = 5

    def __post_init__(self) -> None:
        ascending("spatial", "degrees", self.degrees, most=180.0)
        if not 0 <= self.shift <= 0.5:
            raise ConfigError(
                f"spatial: shift is {self.shift}, expected a share of the side in [0, 0.5].",
                hint="0.1 moves an image of 28 pixels by up to 2.8.",
            )
        require_least(self, tries=0)

    def measure(self, artifacts: Artifacts) -> Records:
        """Return the smallest rotation at which each image falls, to the worst and to one draw."""
        images = attackable(artifacts)
        worst, points = self._fallen(artifacts, images, self._worst(artifacts, images))
        at_random, _ = self._fallen(artifacts, images, self._drawn(artifacts))
        return Records(
            artifacts.ids,
            examples=list(_examples(artifacts, worst, points, self.degrees)),
            correct=artifacts[Predictions].correct.numpy(),
            flip_degrees=worst,
            random_degrees=at_random,
        )

    def _most(self, degrees: float) -> tuple[float, float]:
        return degrees, self.shift * degrees / self.degrees[-1]

    def _worst(self, artifacts: Artifacts, images: Tensor) -> _Moves:
        model = artifacts.image_model
        labels = artifacts.labels.to(images.device)
        draws = uniform(artifacts.keys("spatial"), (ROUNDS, self.tries, 3))
        around = torch.from_numpy(2 * draws - 1)

        def moves(rows: Tensor, degrees: float) -> Tensor:
            return worst_moves(
                model.logits,
                images[rows],
                labels[rows],
                most=self._most(degrees),
                bounds=model.bounds,
                draws=around[rows.cpu()],
                batch_size=artifacts.execution.batch_size,
            )

        return moves

    def _drawn(self, artifacts: Artifacts) -> _Moves:
        draws = torch.from_numpy(2 * uniform(artifacts.keys("spatial/random"), (3,)) - 1).float()

        def moves(rows: Tensor, degrees: float) -> Tensor:
            angle, share = self._most(degrees)
            return draws[rows.cpu()] * torch.tensor([angle, share, share])

        return moves

    def _fallen(self, artifacts: Artifacts, images: Tensor, moves: _Moves) -> tuple[Floats, Tensor]:
        """Return the smallest rotation at which each image falls (n,), and the moved images."""
        model = artifacts.image_model
        low, high = model.bounds

        def attack(rows: Tensor, degrees: float) -> Tensor:
            return moved(images[rows], moves(rows, degrees), low=low, high=high)

        found = escalate(
            model.logits,
            images,
            artifacts.labels.to(images.device),
            artifacts[Predictions].correct.to(images.device),
            attacks=(attack,),
            budgets=self.degrees,
            batch_size=artifacts.execution.batch_size,
        )
        return found.budget.cpu().numpy(), found.points

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Count what held at every rotation, beside one random move."""
        if records.count("correct") == 0:
            return NotApplicable("no input is classified correctly before the attack")
        titles: dict[Selection, str] = {
            "worst": "Changed by the smallest rotation, most confident first",
            "random": "Drawn at random among the changed",
            "boundary": "Changed only by the largest rotation, least confident first",
        }
        held = robustness(
            self,
            records["flip_degrees"],
            self.degrees,
            name="degrees",
            evidence=["curve"],
            controls=[],
            level=context.level,
        )
        return Measured(
            findings=[*held, *(self._random(records, one, context) for one in self.degrees)],
            evidence={"curve": self._curve(records, context), **galleries(records, titles)},
            headline=at_the_middle_budget(held),
        )

    def _random(self, records: Records, degrees: float, context: Context) -> Finding:
        flips = records["random_degrees"]
        return self.share(
            "random_success_rate",
            int(((flips > 0) & (flips <= degrees)).sum()),
            n=int((flips > 0).sum()),
            swept={"degrees": degrees},
            level=context.level,
        )

    def _curve(self, records: Records, context: Context) -> Curve:
        worst, drawn = (
            robustness_curve(
                records[name],
                self.degrees,
                title="Robust accuracy over rotation, with proportional shifts",
                x_label="largest rotation, degrees",
                level=context.level,
            )
            for name in ("flip_degrees", "random_degrees")
        )
        series = [
            worst.series[0].model_copy(update={"name": "worst move"}),
            drawn.series[0].model_copy(update={"name": "one random move"}),
        ]
        return worst.model_copy(update={"series": series})


def _examples(
    artifacts: Artifacts, flips: Floats, points: Tensor, degrees: tuple[float, ...]
) -> Iterator[Example]:
    fallen = (flips > 0) & (flips <= degrees[-1])
    confidence = np.zeros(len(flips))
    (rows,) = np.nonzero(fallen)
    logits = artifacts.image_model.predict(points[rows], batch_size=artifacts.execution.batch_size)
    confidence[rows] = logits.softmax(dim=1).amax(dim=1).numpy()
    draws = uniform(artifacts.keys("gallery"), ())
    scores = stepwise_scores(flips, degrees, confidence, draws)
    for gallery, i, score in shown(artifacts.ids, scores, fallen):
        change = f"turned by at most {flips[i]:g} degrees and shifted"
        row = perturbed_row(artifacts, i, points[i], amplify=0.5, change=change)
        yield Example(gallery=gallery, score=score, row=row)

"""How far is the nearest wrong answer?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.adversarial import Adversarial
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.robustness._flips import (
    ATTACK_SUCCESS_RATE,
    ROBUST_ACCURACY,
    ascending,
    galleries,
    robustness,
    robustness_curve,
    shown,
)
from auditkit.checks.robustness._images import attackable, perturbed_row
from auditkit.errors import ConfigError
from auditkit.findings import Bar, Bars, Evidence, Finding, Metric, Selection
from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.bisection import shortened
from auditkit.methods.attacks.foolbox_adapter import deepfool_l2
from auditkit.randomness import uniform
from auditkit.statistics import bootstrap
from auditkit.types import Floats

BINS = 12  # of the histogram


@final
@dataclass(frozen=True, kw_only=True)
class DeepfoolL2(Check):
    """Distribution of the smallest L2 changes that DeepFool finds.

    Each distance is an upper bound on the true one: a nearer wrong answer may exist.

    Parameters
    ----------
    radii : tuple of float
        L2 radii at which robust accuracy is reported, increasing, in units of the input range.
    steps : int
        Linearisations per image.

    Raises
    ------
    ConfigError
        If the radii do not increase above 0, or steps is below 1.

    References
    ----------
    Moosavi-Dezfooli et al., 2016, arXiv:1511.04599.
    """

    meta: ClassVar[Meta] = Meta(
        id="deepfool-l2",
        family="robustness",
        question="How far is the nearest wrong answer?",
        explanation="DeepFool walks from each correctly classified image towards the boundary that"
        " looks nearest when the model is replaced by its tangent. The point is judged by the model"
        " itself and moved back along the line to the image as far as the answer stays wrong. The"
        " distance is the Euclidean length of the change with pixels scaled to [0, 1].",
        not_shown="Each distance is an upper bound: a nearer wrong answer may exist. Images on"
        " which DeepFool finds nothing are counted apart; they are not known to be robust.",
        remedy="Train on adversarial examples or with larger margins; compare the distance with"
        " the noise that the model meets in use.",
        metrics={
            "median_distance": Metric(
                label="median distance to a wrong answer",
                definition="Median length of the smallest change found, over the correctly"
                " classified images on which one was found.",
                unit="L2 distance, in units of the input range",
                better="higher",
            ),
            "robust_accuracy": ROBUST_ACCURACY,
            "attack_success_rate": ATTACK_SUCCESS_RATE,
            "failure_share": Metric(
                label="share without a change found",
                definition="Share of the correctly classified images on which DeepFool found no"
                " wrong answer at any distance. A control of the attack, not a strength of the"
                " model.",
                unit="share",
                better="lower",
            ),
            "already_wrong": Metric(
                label="share already wrong",
                definition="Share of all images that are misclassified before any change; their"
                " distance is 0.",
                unit="share",
                better="lower",
            ),
        },
        headline="deepfool-l2/median_distance/all",
        modalities=("image",),
        needs_gradients=True,
        references=("Moosavi-Dezfooli et al., 2016, arXiv:1511.04599",),
    )
    radii: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0, 2.0)
    steps: int = 50

    def __post_init__(self) -> None:
        ascending("deepfool-l2", "radii", self.radii, most=np.inf)
        if self.steps < 1:
            raise ConfigError(
                f"deepfool-l2: steps is {self.steps}, expected at least 1.",
                hint="50 steps are usual.",
            )

    def measure(self, artifacts: Artifacts) -> Records:
        """Return the smallest distance found for each image."""
        clean, images = artifacts[Predictions], attackable(artifacts)
        points, found = self._nearest(artifacts, images)
        width = artifacts.image_model.bounds[1] - artifacts.image_model.bounds[0]
        lengths = (points - images).flatten(1).double().norm(dim=1).cpu().numpy() / width
        correct = clean.correct.numpy()
        distance = np.where(found, lengths, np.where(correct, np.inf, 0.0))
        return Records(
            artifacts.ids,
            examples=list(_examples(artifacts, distance, points)),
            correct=correct,
            distance=distance,
        ).with_inputs(
            [
                Adversarial.among(
                    artifacts.ids,
                    points,
                    distance,
                    parameter="radius",
                    measure="l2",
                    most=self.radii[-1],
                )
            ]
        )

    def _nearest(self, artifacts: Artifacts, images: Tensor) -> tuple[Tensor, Floats]:
        """Return the nearest misclassified points (n, ...) and for which inputs there is one."""
        model, size = artifacts.image_model, artifacts.execution.batch_size
        labels = artifacts.labels.to(images.device)
        points = images.clone()
        (rows,) = artifacts[Predictions].correct.to(images.device).nonzero(as_tuple=True)
        if len(rows):
            points[rows] = deepfool_l2(
                model.logits,
                images[rows],
                labels[rows],
                steps=self.steps,
                bounds=model.bounds,
                batch_size=size,
            )
            flipped = judged(model.logits, points[rows], labels[rows], batch_size=size)
            rows = rows[flipped]
            points[rows] = shortened(
                model.logits, images[rows], points[rows], labels[rows], batch_size=size
            )
        found = np.zeros(len(images), dtype=bool)
        found[rows.cpu().numpy()] = True
        return points, found

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Return the median distance, robust accuracy over the distance, and the failures."""
        right = records.count("correct")
        if right == 0:
            return NotApplicable("no input is classified correctly before the attack")
        distance = records["distance"]
        failed = self.share(
            "failure_share", int(np.isinf(distance).sum()), n=right, level=context.level
        )
        evidence = _evidence(records, self.radii, context)
        return Measured(
            findings=[
                self._median(distance, [failed.id], context),
                *robustness(
                    self,
                    distance,
                    self.radii,
                    name="radius",
                    evidence=list(evidence),
                    controls=[failed.id],
                    level=context.level,
                ),
                failed,
                self.share(
                    "already_wrong", len(records) - right, n=len(records), level=context.level
                ),
            ],
            evidence=evidence,
        )

    def _median(self, distance: Floats, controls: list[str], context: Context) -> Finding:
        found = distance[(distance > 0) & np.isfinite(distance)]
        if len(found) == 0:
            return self.undefined(
                "median_distance", "no wrong answer was found near any image", n=len(distance)
            )
        interval = bootstrap(
            lambda rows: np.median(found[rows], axis=1),
            len(found),
            seed=context.key("deepfool-l2", "median"),
            level=context.level,
        )
        return self.value(
            "median_distance",
            float(np.median(found)),
            n=len(found),
            interval=interval,
            method="bootstrap",
            evidence=["histogram"],
            controls=controls,
            level=context.level,
        )


def _examples(artifacts: Artifacts, distance: Floats, points: Tensor) -> Iterator[Example]:
    scores = {
        "worst": -distance,
        "random": uniform(artifacts.keys("gallery"), ()),
        "best": distance,
    }
    low, high = artifacts.image_model.bounds
    for gallery, i, score in shown(artifacts.ids, scores, (distance > 0) & np.isfinite(distance)):
        largest = float((points[i].cpu() - artifacts.images[i]).abs().max()) / (high - low)
        row = perturbed_row(
            artifacts, i, points[i], amplify=0.5 / largest, change=f"L2 distance {distance[i]:.3g}"
        )
        yield Example(gallery=gallery, score=score, row=row)


def _evidence(records: Records, radii: tuple[float, ...], context: Context) -> dict[str, Evidence]:
    curve = robustness_curve(
        records["distance"],
        radii,
        title="Robust accuracy over L2 distance",
        x_label="L2 distance, in units of the input range",
        level=context.level,
    )
    titles: dict[Selection, str] = {
        "worst": "Nearest wrong answers",
        "random": "Drawn at random among the changed",
        "best": "Farthest wrong answers",
    }
    return {
        "curve": curve,
        "histogram": _histogram(records["distance"]),
        **galleries(records, titles),
    }


def _histogram(distance: Floats) -> Bars:
    found = distance[(distance > 0) & np.isfinite(distance)]
    counts, edges = np.histogram(found, bins=BINS, range=(0.0, float(found.max(initial=1e-9))))
    bars = [
        Bar(label=f"{edges[i]:.3g} to {edges[i + 1]:.3g}", value=float(count))
        for i, count in enumerate(counts)
    ]
    bars.append(Bar(label="nothing found", value=float(np.isinf(distance).sum())))
    return Bars(title="Distances to the nearest wrong answer", value_label="images", bars=bars)

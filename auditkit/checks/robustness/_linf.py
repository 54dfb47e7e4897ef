"""What the Linf checks share: examples, curve and galleries over epsilon."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.checks.adversarial import Adversarial
from auditkit.checks.base import Context, Example, Records
from auditkit.checks.galleries import galleries, shown
from auditkit.checks.robustness._flips import robustness_curve, stepwise_scores
from auditkit.checks.robustness._images import perturbed_row
from auditkit.findings import Evidence, Selection
from auditkit.randomness import uniform
from auditkit.types import Floats


def linf_examples(
    artifacts: Artifacts, flips: Floats, points: Tensor, epsilons: Sequence[float]
) -> Iterator[Example]:
    """Yield the images to show among those that fell at a listed epsilon."""
    fallen = (flips > 0) & (flips <= epsilons[-1])  # (n,)
    confidence = np.zeros(len(flips))
    (rows,) = np.nonzero(fallen)
    logits = artifacts.image_model.predict(points[rows], batch_size=artifacts.execution.batch_size)
    confidence[rows] = logits.softmax(dim=1).amax(dim=1).numpy()
    draws = uniform(artifacts.keys("gallery"), ())
    scores = stepwise_scores(flips, epsilons, confidence, draws)
    for gallery, i, score in shown(artifacts.ids, scores, fallen):
        epsilon = float(flips[i])
        row = perturbed_row(
            artifacts, i, points[i], amplify=0.5 / epsilon, change=f"epsilon {epsilon:g}"
        )
        yield Example(gallery=gallery, score=score, row=row)


def linf_found(
    artifacts: Artifacts, flips: Floats, points: Tensor, epsilons: Sequence[float]
) -> Adversarial:
    """Return the images that fell at a listed epsilon, to be stored."""
    return Adversarial.among(
        artifacts.ids, points, flips, parameter="epsilon", measure="linf", most=epsilons[-1]
    )


def linf_evidence(
    records: Records, epsilons: Sequence[float], context: Context
) -> dict[str, Evidence]:
    """Return the curve over epsilon and the galleries that have rows."""
    curve = robustness_curve(
        records["flip_epsilon"],
        epsilons,
        title="Robust accuracy over epsilon",
        x_label="epsilon, share of the input range",
        level=context.level,
    )
    return {"curve": curve, **linf_galleries(records)}


def linf_galleries(records: Records) -> dict[str, Evidence]:
    """Return the galleries that have rows."""
    titles: dict[Selection, str] = {
        "worst": "Changed by the smallest epsilon, most confident first",
        "random": "Drawn at random among the changed",
        "boundary": "Changed only by the largest epsilon, least confident first",
    }
    return galleries(records, titles)

"""How small a change is enough to make it wrong?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.past_masks import search_of
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.flips import median_flip
from auditkit.checks.galleries import galleries, shown
from auditkit.checks.parameters import require_least
from auditkit.checks.robustness._controls import CHECK, OF_THE_ENSEMBLE, WITHOUT_GRADIENTS
from auditkit.checks.robustness._flips import (
    ATTACK_SUCCESS_RATE,
    ROBUST_ACCURACY,
    ascending,
    at_the_middle_budget,
    curve_places,
    robustness,
    robustness_curve,
)
from auditkit.checks.robustness._images import attackable, perturbed_row
from auditkit.errors import ConfigError
from auditkit.findings import Evidence, Finding, Metric, Selection, Table
from auditkit.methods.attacks.foolbox_adapter import find_attack
from auditkit.methods.attacks.hyperplane import MEASURES, Measure, size_of
from auditkit.methods.attacks.smallest import Smallest, SmallestChange
from auditkit.models.classifier import ImageClassifier
from auditkit.randomness import uniform
from auditkit.types import Floats, Scalar, Strings


@final
@dataclass(frozen=True, kw_only=True)
class RobustnessCurve(Check):
    """Robust accuracy over the size of the change, from the smallest change that fools each image.

    Every distance is an upper bound on the true one: a nearer wrong answer may exist.

    Parameters
    ----------
    linf, l2, l1, l0 : tuple of float
        Radii in each norm at which robust accuracy is reported, increasing, in units of the input
        range (for Linf: shares of it; for L0: how many numbers differ). An empty tuple leaves the
        norm out; at least one norm must be there.
    max_inputs : int
        Images that are attacked, drawn at random from all of them, at least 2.
    rounds : int
        Of the search along gradients, 40 steps each.
    queries : int
        Answers per image and norm for the attack that sees nothing else, 0 for none.
    foolbox : tuple of str
        Attacks of foolbox that are tried as well, such as "carlini-wagner" or "boundary".

    Raises
    ------
    ConfigError
        If radii do not increase above 0, none is given, a number is too small, or foolbox has no
        attack of that name.
    MissingExtraError
        If an attack of foolbox needs a package that is not installed.

    References
    ----------
    Pintor et al., 2021, arXiv:2102.12827; Croce and Hein, 2020, arXiv:1907.02044.
    """

    meta: ClassVar[Meta] = Meta(
        id="robustness-curve",
        version=2,
        family="robustness",
        question="How small a change is enough to make it wrong?",
        explanation="For each correctly classified image several attacks look for the smallest"
        " change that makes the answer wrong: along gradients with a radius that shrinks and grows,"
        " across linearised boundaries, and by asking for answers alone. At the listed radii"
        " attacks that know their radius try what is left. Every point is judged by the model in"
        " its own precision, within its bounds, and the smallest change of all counts, so that the"
        " curve can only fall.",
        not_shown="Each distance is an upper bound: a nearer wrong answer may exist, above all"
        " where a control is bad. Images on which nothing was found are counted as holding at every"
        " radius; that is not a proof.",
        remedy="Train on adversarial examples or with larger margins; compare the distances with"
        " the noise that the model meets in use.",
        metrics={
            "median_distance": Metric(
                label="median distance to a wrong answer",
                definition="Median length of the smallest change found, over the correctly"
                " classified images that were drawn; infinite where nothing was found, and"
                " undefined where that holds for half of them. Interval between two order"
                " statistics; an end that would be infinite is the size of the whole range.",
                unit="distance in units of the input range (L0: numbers changed)",
                better="higher",
            ),
            "robust_accuracy": ROBUST_ACCURACY,
            "attack_success_rate": ATTACK_SUCCESS_RATE,
            "nothing_found": Metric(
                label="share without any change found",
                definition="Share of the correctly classified images that were drawn on which no"
                " search for small changes found a wrong answer at any distance. A control of the"
                " attack, not a strength of the model.",
                unit="share",
                better="lower",
            ),
            "attack_gap": Metric(
                label="share where a fixed radius found more",
                definition="Share of the correctly classified images that were drawn that fell to"
                " an attack within a listed radius, while the searches for small changes had found"
                " nothing as near. A control of the attack: more than a few mean that distances"
                " between the radii are too large.",
                unit="share",
                better="lower",
            ),
        },
        headline="robustness-curve/median_distance/all/*",
        modalities=("image",),
        references=(
            "Pintor et al., 2021, arXiv:2102.12827",
            "Croce and Hein, 2020, arXiv:1907.02044",
            "Chen and Gu, 2020, arXiv:2006.12792",
            "Maho et al., 2021, arXiv:2011.12807",
        ),
        controlled_by=(CHECK,),
    )
    linf: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1)
    l2: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0)
    l1: tuple[float, ...] = ()
    l0: tuple[float, ...] = ()
    max_inputs: int = 128
    rounds: int = 2
    queries: int = 200
    foolbox: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for norm, radii in self.radii().items():
            ascending("robustness-curve", norm, radii, most=1.0 if norm == "linf" else np.inf)
        if not self.radii():
            raise ConfigError(
                "robustness-curve: linf, l2, l1 and l0 are all empty.",
                hint="Write for example linf = [0.02]",
            )
        require_least(self, max_inputs=2, rounds=1, queries=0)
        for name in self.foolbox:
            find_attack(name)

    def radii(self) -> dict[Measure, tuple[float, ...]]:
        """Return the radii of every norm that has any."""
        given: dict[Measure, tuple[float, ...]] = {norm: getattr(self, norm) for norm in MEASURES}
        return {norm: radii for norm, radii in given.items() if radii}

    def measure(self, artifacts: Artifacts) -> Records:
        """Return the smallest change found for each image that was drawn; NaN for the others."""
        images = attackable(artifacts)
        chosen = artifacts.drawn("robustness-curve", self.max_inputs)
        correct = artifacts[Predictions].correct.numpy()
        rows = np.flatnonzero(chosen & correct)
        columns: dict[str, np.ndarray] = {}
        examples: list[Example] = []
        for norm, radii in self.radii().items():
            unit = unit_of(artifacts.image_model, norm)
            found = self._attacked(artifacts, images, rows, norm, [unit * one for one in radii])
            distance = np.where(chosen, 0.0, np.nan)
            before, attack = distance.copy(), np.full(len(artifacts), "", dtype=object)
            distance[rows] = found.distances.cpu().numpy() / unit
            before[rows] = found.before.cpu().numpy() / unit
            attack[rows] = found.attacks
            columns |= {
                f"distance_{norm}": distance,
                f"minimum_{norm}": before,
                f"attack_{norm}": attack.astype(str),
            }
            if not examples:
                examples = list(_examples(artifacts, norm, distance, rows, found))
        gradients = np.full(len(artifacts), artifacts.classifier.differentiable)
        return Records(
            artifacts.ids,
            examples=examples,
            correct=correct,
            drawn=chosen,
            gradients=gradients,
            **columns,
        )

    def _attacked(
        self, artifacts: Artifacts, images: Tensor, rows: Any, norm: Measure, radii: list[float]
    ) -> Smallest:
        model, execution = artifacts.image_model, artifacts.execution
        at = torch.from_numpy(rows).to(images.device)
        return SmallestChange(
            logits=model.logits,
            search=search_of(artifacts),
            images=images[at],
            labels=artifacts.labels.to(images.device)[at],
            norm=norm,
            bounds=model.bounds,
            radii=radii,
            keys=lambda name: artifacts.keys(f"robustness-curve/{norm}/{name}")[rows],
            rounds=self.rounds,
            queries=self.queries,
            gradients=model.differentiable,
            foolbox=self.foolbox,
            batch_size=execution.batch_size,
        ).run()

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Return curves, medians, and what the controls say of the attacks."""
        right = int((records["correct"] & records["drawn"]).sum())
        if right == 0:
            return NotApplicable("no input is classified correctly before the attack")
        shape = context.data.input_shape
        numbers = int(np.prod(shape)) if shape else 1
        others = OF_THE_ENSEMBLE if records["gradients"].all() else WITHOUT_GRADIENTS
        medians: list[Finding] = []
        held: list[Finding] = []
        controls: list[Finding] = []
        evidence: dict[str, Evidence] = {}
        for norm, radii in self.radii().items():
            distance = records[f"distance_{norm}"][records["drawn"]]
            before = records[f"minimum_{norm}"][records["drawn"]]
            attacks = records[f"attack_{norm}"][records["drawn"]]
            evidence[f"curve-{norm}"] = robustness_curve(
                distance,
                curve_places(distance, radii),
                title=f"Robust accuracy over {_SIZES[norm]}",
                x_label=_AXES[norm],
                level=context.level,
            )
            evidence[f"attacks-{norm}"] = _credit(norm, distance, attacks)
            shown_by = [f"curve-{norm}", f"attacks-{norm}"]
            mine = [
                self.share(metric, count, n=right, swept={"norm": norm}, level=context.level)
                for metric, count in (
                    ("nothing_found", int(np.isinf(before).sum())),
                    ("attack_gap", int((distance < before).sum())),
                )
            ]
            controls += mine
            ids = [*(one.id for one in mine), *others]
            everything = {"linf": 1.0, "l2": numbers**0.5, "l1": numbers, "l0": numbers}[norm]
            medians.append(
                median_flip(
                    self,
                    "median_distance",
                    distance,
                    why="half of the images or more hold against every attack at any distance",
                    most=everything,
                    swept={"norm": norm},
                    evidence=shown_by,
                    controls=ids,
                    level=context.level,
                )
            )
            held += robustness(
                self,
                distance,
                radii,
                name=norm,
                evidence=shown_by,
                controls=ids,
                level=context.level,
            )
        evidence |= galleries(records, _GALLERIES)
        defined = medians[0].value is not None
        first = held[: 2 * len(next(iter(self.radii().values())))]
        return Measured(
            findings=[*medians, *held, *controls],
            evidence=evidence,
            headline=medians[0].id if defined else at_the_middle_budget(first),
        )


def unit_of(model: ImageClassifier, norm: Measure) -> float:
    """Return what a distance of 1 is in input units: the input range, or one number."""
    return 1.0 if norm == "l0" else model.bounds[1] - model.bounds[0]


_SIZES: dict[Measure, str] = {
    "linf": "the largest change",
    "l2": "the L2 distance",
    "l1": "the L1 distance",
    "l0": "the number of changes",
}
_AXES: dict[Measure, str] = {
    "linf": "Linf distance, share of the input range",
    "l2": "L2 distance, in units of the input range",
    "l1": "L1 distance, in units of the input range",
    "l0": "numbers changed",
}
_GALLERIES: dict[Selection, str] = {
    "worst": "Nearest wrong answers",
    "random": "Drawn at random among the changed",
    "best": "Farthest wrong answers",
}


def _credit(norm: Measure, distance: Floats, attacks: Strings) -> Table:
    """Return how many images each attack came nearest on, and how near."""
    rows: list[list[Scalar]] = []
    for name in sorted({*attacks.tolist()} - {""}):
        mine = distance[attacks == name]
        rows.append([name, len(mine), float(np.median(mine)), float(mine.min())])
    rows.sort(key=lambda row: (-int(row[1] or 0), str(row[0])))
    if (left := int(np.isinf(distance).sum())) > 0:
        rows.append(["none", left, None, None])
    return Table(
        title=f"Which attack found the smallest change ({norm.capitalize()})",
        columns=["attack", "images", "median distance", "smallest distance"],
        rows=rows,
    )


def _examples(
    artifacts: Artifacts, norm: Measure, distance: Floats, rows: Any, found: Smallest
) -> Iterator[Example]:
    points = artifacts.images.clone()
    points[rows] = found.points.cpu()
    low, high = artifacts.image_model.bounds
    scores = {
        "worst": -distance,
        "random": uniform(artifacts.keys("gallery"), ()),
        "best": distance,
    }
    for gallery, i, score in shown(artifacts.ids, scores, (distance > 0) & np.isfinite(distance)):
        largest = float(size_of("linf", (points[i] - artifacts.images[i])[None])) / (high - low)
        change = f"{norm.capitalize()} distance {distance[i]:.3g}"
        row = perturbed_row(artifacts, i, points[i], amplify=0.5 / largest, change=change)
        yield Example(gallery=gallery, score=score, row=row)

"""How accurate is it under the best attack that can be mounted?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.past_masks import search_of
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.adversarial import Adversarial
from auditkit.checks.base import (
    Check,
    Context,
    Example,
    Measured,
    Meta,
    NotApplicable,
    Records,
)
from auditkit.checks.parameters import require_least
from auditkit.checks.robustness._controls import CHECK, OF_THE_ENSEMBLE, WITHOUT_GRADIENTS
from auditkit.checks.robustness._flips import (
    ATTACK_SUCCESS_RATE,
    ROBUST_ACCURACY,
    ascending,
    at_the_middle_budget,
    robustness,
    robustness_curve,
)
from auditkit.checks.robustness._images import attackable
from auditkit.checks.robustness._linf import linf_examples, linf_galleries
from auditkit.errors import ConfigError
from auditkit.findings import Evidence, Finding, Metric, Table
from auditkit.methods.attacks.ball import Norm
from auditkit.methods.attacks.ensemble import SQUARE, Ensemble, names_of
from auditkit.methods.attacks.narrowing import narrow
from auditkit.types import Floats, Scalar, Strings


@final
@dataclass(frozen=True, kw_only=True)
class WorstCase(Check):
    """Robust accuracy under several attacks, each on what all earlier ones left.

    An upper bound on true robustness, meant to be the lowest that is affordable. There is nothing
    to tune: step sizes choose themselves.

    Parameters
    ----------
    linf, l2, l1 : tuple of float
        Radii in each norm, increasing, in units of the input range (for Linf: shares of it). An
        empty tuple leaves the norm out; at least one norm must be there.
    queries : int
        Random squares per image and radius; up to four times as many where they still gain much.

    Raises
    ------
    ConfigError
        If radii do not increase above 0, none is given, or queries is below 1.

    References
    ----------
    Croce and Hein, 2020, arXiv:2003.01690: the ensemble that this one follows.
    """

    meta: ClassVar[Meta] = Meta(
        id="worst-case",
        version=4,
        family="robustness",
        question="How accurate is it under the best attack that can be mounted?",
        explanation="Several attacks are tried one after the other, each on the images that all"
        " earlier ones left: ascent that chooses its own step sizes on two losses, then towards"
        " each of nine other classes, of which the three most promising are followed further; in"
        " L2 and L1 a search for the smallest change; and random squares, which see scores alone."
        " Where the model hides its gradients by rounding, by a softmax at its end or by"
        " preprocessing without gradients, they are got around. The largest radius comes first;"
        " what no attack changed there counts as holding at the smaller ones. Every success is"
        " judged by the model in its own precision, on an image within its bounds.",
        not_shown="An upper bound: an attack made for this very model may still find more. Where"
        " random squares succeed after all gradients failed, gradients mislead, and the true"
        " number is likely to be lower.",
        remedy="Train on adversarial examples. Where the squares found much, look for steps that"
        " hide gradients (rounding, saturation, randomness) before trusting any number.",
        metrics={
            "robust_accuracy": ROBUST_ACCURACY,
            "attack_success_rate": ATTACK_SUCCESS_RATE,
            "black_box_gain": Metric(
                label="share that only random squares changed",
                definition="Share of the correctly classified inputs whose answer, in any norm,"
                " held against every attack that knows the gradient and fell to random squares. A"
                " control of the attack: more than a few mean that gradients mislead it.",
                unit="share",
                better="lower",
            ),
        },
        headline="worst-case/robust_accuracy/all/*",
        modalities=("image",),
        references=(
            "Croce and Hein, 2020, arXiv:2003.01690",
            "Andriushchenko et al., 2020, arXiv:1912.00049",
        ),
        controlled_by=(CHECK,),
    )
    linf: tuple[float, ...] = (0.01, 0.02, 0.05)
    l2: tuple[float, ...] = ()
    l1: tuple[float, ...] = ()
    queries: int = 1000

    def __post_init__(self) -> None:
        for norm, radii in self.radii().items():
            ascending("worst-case", norm, radii, most=1.0 if norm == "linf" else np.inf)
        if not self.radii():
            raise ConfigError(
                "worst-case: linf, l2 and l1 are all empty.", hint="Write for example linf = [0.02]"
            )
        require_least(self, queries=1, hint="1000 find most; 5000 are usual where time is plenty.")

    def radii(self) -> dict[Norm, tuple[float, ...]]:
        """Return the radii of every norm that has any."""
        given: dict[Norm, tuple[float, ...]] = {"linf": self.linf, "l2": self.l2, "l1": self.l1}
        return {norm: radii for norm, radii in given.items() if radii}

    def measure(self, artifacts: Artifacts) -> Records:
        """Return the smallest radius at which each image falls, and to which attack."""
        model, clean, execution = (
            artifacts.image_model,
            artifacts[Predictions],
            artifacts.execution,
        )
        images = attackable(artifacts)
        labels = artifacts.labels.to(images.device)
        columns: dict[str, np.ndarray] = {}
        examples: list[Example] = []
        adversarial: list[Adversarial] = []
        for norm, radii in self.radii().items():
            attacks = Ensemble(
                logits=model.logits,
                search=search_of(artifacts),
                images=images,
                labels=labels,
                norm=norm,
                bounds=model.bounds,
                keys=lambda name: artifacts.keys(f"worst-case/{name}"),
                queries=self.queries,
                gradients=model.differentiable,
                batch_size=execution.batch_size,
            ).attacks()
            fallen = narrow(
                model.logits,
                images,
                labels,
                clean.correct.to(images.device),
                attacks=tuple(attacks.values()),
                radii=radii,
                batch_size=execution.batch_size,
            )
            columns[f"flip_{norm}"] = smallest = fallen.radius.cpu().numpy()
            columns[f"smallest_{norm}"] = np.full(len(artifacts), min(radii))  # that was tried
            columns[f"attack_{norm}"] = np.array([*attacks, ""])[fallen.attack.cpu().numpy()]
            adversarial.append(
                Adversarial.among(
                    artifacts.ids,
                    fallen.points,
                    smallest,
                    parameter=norm,
                    measure=norm,
                    most=radii[-1],
                )
            )
            if norm == "linf":
                examples += linf_examples(artifacts, smallest, fallen.points, radii)
        gradients = np.full(len(artifacts), model.differentiable)
        return Records(
            artifacts.ids,
            examples=examples,
            correct=clean.correct.numpy(),
            gradients=gradients,
            **columns,
        ).with_inputs(adversarial)

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Count what held at every radius, and which attack each fallen image fell to."""
        right = records.count("correct")
        if right == 0:
            return NotApplicable("no input is classified correctly before the attack")
        controls: list[Finding] = []
        gradients = bool(records["gradients"].all())
        if gradients:
            by = np.stack([records[f"attack_{norm}"] for norm in self.radii()])
            alone = int((by == SQUARE).any(axis=0).sum())
            controls.append(self.share("black_box_gain", alone, n=right, level=context.level))
        others = OF_THE_ENSEMBLE if gradients else WITHOUT_GRADIENTS
        evidence: dict[str, Evidence] = {}
        held: list[Finding] = []
        for norm, radii in self.radii().items():
            flips = records[f"flip_{norm}"]
            evidence[f"curve-{norm}"] = robustness_curve(
                flips,
                radii,
                title=f"Robust accuracy over the {_AXES[norm]}",
                x_label=f"{_AXES[norm]}, in units of the input range",
                level=context.level,
            )
            evidence[f"attacks-{norm}"] = _credit(
                norm,
                radii,
                flips,
                records[f"attack_{norm}"],
                names=names_of(norm, gradients=gradients),
            )
            held += robustness(
                self,
                flips,
                radii,
                name=norm,
                evidence=[f"curve-{norm}", f"attacks-{norm}"],
                controls=[*(one.id for one in controls), *others],
                level=context.level,
            )
        evidence |= linf_galleries(records)
        return Measured(
            findings=[*held, *controls],
            evidence=evidence,
            headline=at_the_middle_budget(held[: 2 * len(next(iter(self.radii().values())))]),
        )


_AXES: dict[Norm, str] = {"linf": "Linf radius", "l2": "L2 radius", "l1": "L1 radius"}


def _credit(
    norm: Norm, radii: Sequence[float], flips: Floats, attacks: Strings, *, names: Sequence[str]
) -> Table:
    """Return how many images fell to which attack at which radius."""
    rows: list[list[Scalar]] = [
        [radius, *(int(((flips == radius) & (attacks == name)).sum()) for name in names)]
        for radius in radii
    ]
    return Table(
        title=f"Images whose smallest {_AXES[norm]} was found by each attack, after those to its"
        " left failed",
        columns=[_AXES[norm], *names],
        rows=rows,
    )

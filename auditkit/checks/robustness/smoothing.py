"""What can be proved of the model's most frequent answer under random noise?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, final

import numpy as np
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, Records
from auditkit.checks.parameters import require_least
from auditkit.checks.robustness._bracket import (
    CONTRADICTED,
    bracket,
    bracket_curve,
    certified_accuracy,
    contradicted,
)
from auditkit.checks.robustness._flips import ascending
from auditkit.checks.robustness._images import attackable
from auditkit.errors import ConfigError
from auditkit.findings import Evidence, Finding, Metric, Note
from auditkit.methods.certification.smoothing import Smoothed
from auditkit.types import Bools, Floats

_ALWAYS = np.inf  # no attack found anything


@final
@dataclass(frozen=True, kw_only=True)
class Smoothing(Check):
    """Certified accuracy of the smoothed classifier, beside an attack on that same classifier.

    The smoothed classifier is another one than the model: it asks the model about many noisy copies
    of an image and gives the most frequent answer. What is proved holds for it alone.

    Parameters
    ----------
    sigmas : tuple of float
        Standard deviations of the noise, increasing, in units of the input range.
    radii : tuple of float
        L2 radii, increasing, in units of the input range.
    max_inputs : int
        Images that are examined, drawn at random from all of them.
    selection, samples : int
        Noisy copies that choose the answer, and fresh ones that prove it. With so many samples no
        radius beyond sigma times the normal quantile of alpha^(1 / samples) can be proved.
    alpha : float
        Probability that the certificate of one image is wrong, in (0, 0.5).
    draws, steps : int
        Noisy copies whose mean probability the attack lowers, and steps of its ascent.

    Raises
    ------
    ConfigError
        If a parameter lies outside its range.

    References
    ----------
    Cohen, Rosenfeld and Kolter, 2019, arXiv:1902.02918.
    """

    meta: ClassVar[Meta] = Meta(
        id="smoothing",
        family="robustness",
        question="What can be proved of the model's most frequent answer under random noise?",
        explanation="The smoothed classifier answers with the class that most copies of an image"
        " under Gaussian noise get; it is another classifier than the model itself. The share of"
        " copies that agree proves an L2 radius within which its answer cannot change, with a small"
        " probability of error per image. The same classifier is attacked: gradients of the mean"
        " probability over fixed copies lead to a point, which fresh copies judge; only an answer"
        " that is another one with the same confidence counts. The noise is not cut at the bounds"
        " of the pixels, because the proof needs all of it.",
        not_shown="Nothing about the model as it is used without noise. Images without a"
        " certificate may hold. The attack may miss a change that exists.",
        remedy="Train under the same noise (fashion-resnet-noise is an example), and use the"
        " smoothed classifier where the proof is wanted.",
        metrics={
            "smoothed_accuracy": Metric(
                label="accuracy of the smoothed classifier",
                definition="Share of the examined inputs whose most frequent answer under noise is"
                " right and known with the wanted confidence; abstentions count as wrong.",
                unit="share",
                better="higher",
            ),
            "abstention_share": Metric(
                label="share of abstentions",
                definition="Share of the examined inputs for which no class is known to have more"
                " than half of the noisy copies, so that nothing is certified.",
                unit="share",
                better="lower",
            ),
            "certified_accuracy": certified_accuracy("the smoothed classifier"),
            "robust_accuracy": Metric(
                label="robust accuracy of the smoothed classifier",
                definition="Share of the examined inputs whose most frequent answer under noise is"
                " not known to be wrong, neither as they stand nor where the attack within the"
                " radius led. An upper bound: a stronger attack can only lower it.",
                unit="share",
                better="higher",
            ),
            CONTRADICTED: Metric(
                label="share proved and yet changed",
                definition="Share of the examined inputs that the attack changed within the radius"
                " that was proved for them. Both sides are wrong with probability alpha per image,"
                " so that single cases can be chance; more are a defect of auditkit.",
                unit="share",
                better="lower",
            ),
        },
        headline="smoothing/certified_accuracy/all/*",
        modalities=("image",),
        references=(
            "Cohen, Rosenfeld and Kolter, 2019, arXiv:1902.02918",
            "Salman et al., 2019, arXiv:1906.04584",
        ),
    )
    sigmas: tuple[float, ...] = (0.12, 0.25)
    radii: tuple[float, ...] = (0.1, 0.25, 0.5)
    max_inputs: int = 32
    selection: int = 100
    samples: int = 1000
    alpha: float = 0.001
    draws: int = 16
    steps: int = 12

    def __post_init__(self) -> None:
        ascending("smoothing", "sigmas", self.sigmas, most=np.inf)
        ascending("smoothing", "radii", self.radii, most=np.inf)
        require_least(
            self,
            max_inputs=1,
            selection=1,
            samples=1,
            draws=1,
            steps=1,
            hint="The defaults are max_inputs 32, selection 100, samples 1000.",
        )
        if not 0 < self.alpha < 0.5:
            raise ConfigError(
                f"smoothing: alpha is {self.alpha}, expected a value in (0, 0.5).",
                hint="0.001 is usual.",
            )

    def answers(self, n: int) -> float:
        """Return what draws, and slopes under noise of the attack, take."""
        of_one = 2 * self.selection + self.samples + 3 * self.draws * self.steps
        return of_one * len(self.sigmas) * min(n, self.max_inputs)

    def measure(self, artifacts: Artifacts) -> Records:
        """Return radius and answer of each drawn image, and where it falls; the others are NaN."""
        chosen = artifacts.drawn("smoothing", self.max_inputs)
        images = attackable(artifacts)
        _ = artifacts[Predictions]  # refuses logits that are no numbers
        columns: dict[str, Floats | Bools] = {}
        for sigma in self.sigmas:
            classifier = self._smoothed(artifacts, sigma)
            for name in ("certified", "flip"):
                columns[f"{name}_{sigma!r}"] = np.full(len(artifacts), np.nan)
            columns[f"abstained_{sigma!r}"] = np.zeros(len(artifacts), dtype=np.bool_)
            for i in np.flatnonzero(chosen).tolist():
                key = partial(_key, artifacts, i, sigma)
                image, label = images[i : i + 1], int(artifacts.labels[i])
                found = classifier.certify(image, key=key)
                right = found.answer == label
                width = _width(artifacts)
                columns[f"certified_{sigma!r}"][i] = found.radius / width if right else -1.0
                columns[f"abstained_{sigma!r}"][i] = found.answer < 0
                columns[f"flip_{sigma!r}"][i] = self._flip(artifacts, classifier, image, label, key)
        attacked = np.full(len(artifacts), artifacts.classifier.differentiable)
        return Records(artifacts.ids, examples=(), drawn=chosen, attacked=attacked, **columns)

    def _smoothed(self, artifacts: Artifacts, sigma: float) -> Smoothed:
        model = artifacts.image_model
        return Smoothed(
            logits=model.logits,
            classes=len(model.classes),
            sigma=sigma * _width(artifacts),
            selection=self.selection,
            samples=self.samples,
            alpha=self.alpha,
            batch_size=artifacts.execution.batch_size,
        )

    def _flip(
        self,
        artifacts: Artifacts,
        classifier: Smoothed,
        image: Tensor,
        label: int,
        key: Callable[[str], int],
    ) -> float:
        """Return the smallest radius at which the answer is surely another one than the label.

        The largest radius comes first: where nothing is found there, nothing is looked for within.
        """
        if classifier.answers_otherwise(image, label, key=key("as it stands")):
            return 0.0
        smallest = _ALWAYS
        if not artifacts.classifier.differentiable:
            return smallest
        for radius in reversed(self.radii):
            moved = classifier.attacked(
                image,
                label,
                epsilon=radius * _width(artifacts),
                bounds=artifacts.image_model.bounds,
                draws=self.draws,
                steps=self.steps,
                key=key,
            )
            if not classifier.answers_otherwise(moved, label, key=key(f"judge {radius!r}")):
                break
            smallest = radius
        return smallest

    def summarise(self, records: Records, context: Context) -> Measured:
        """Count what is proved and what held, for every sigma and radius."""
        chosen = records["drawn"]
        attacked = bool(records["attacked"].all())
        findings: list[Finding] = []
        controls: list[Finding] = []
        evidence: dict[str, Evidence] = {"meaning": _meaning(self, int(chosen.sum()), attacked)}
        for sigma in self.sigmas:
            proved = records[f"certified_{sigma!r}"][chosen]
            flips = records[f"flip_{sigma!r}"][chosen] if attacked else None
            named = f"curve-{sigma:g}"
            evidence[named] = bracket_curve(
                proved,
                flips,
                self.radii,
                title=f"The smoothed classifier, sigma {sigma:g}: proved and attacked",
                x_label="L2 radius, in units of the input range",
                level=context.level,
            )
            held = [] if flips is None else [self._contradicted(proved, flips, sigma, context)]
            findings += self._plain(records, proved, sigma, [named, "meaning"], context)
            findings += bracket(
                self,
                proved,
                flips,
                self.radii,
                name="radius",
                swept={"sigma": sigma},
                evidence=[named, "meaning"],
                controls=[one.id for one in held],
                level=context.level,
            )
            controls += held
        return Measured(
            findings=[*findings, *controls],
            evidence=evidence,
            headline=_headline(findings, len(self.radii)),
        )

    def _contradicted(
        self, proved: Floats, flips: Floats, sigma: float, context: Context
    ) -> Finding:
        return contradicted(self, proved, flips, swept={"sigma": sigma}, level=context.level)

    def _plain(
        self,
        records: Records,
        proved: Floats,
        sigma: float,
        evidence: Sequence[str],
        context: Context,
    ) -> list[Finding]:
        abstained = records[f"abstained_{sigma!r}"][records["drawn"]]
        counts = {"smoothed_accuracy": proved >= 0, "abstention_share": abstained}
        return [
            self.share(
                metric,
                int(which.sum()),
                n=len(proved),
                swept={"sigma": sigma},
                evidence=evidence,
                level=context.level,
            )
            for metric, which in counts.items()
        ]


def _headline(findings: Sequence[Finding], radii: int) -> str:
    """Return the certified accuracy of the largest sigma at the smallest radius."""
    proofs = [one.id for one in findings if one.metric == "certified_accuracy"]
    return proofs[-radii]


def _key(artifacts: Artifacts, i: int, sigma: float, purpose: str) -> int:
    return artifacts.key("smoothing", purpose, repr(sigma), artifacts.ids[i])


def _width(artifacts: Artifacts) -> float:
    low, high = artifacts.image_model.bounds
    return high - low


def _meaning(check: Smoothing, n: int, attacked: bool) -> Note:
    text = (
        "These numbers are about the smoothed classifier, not about the model without noise. Each"
        f" certificate is wrong with a probability of {check.alpha:g} at most: of {n} images at"
        f" most {check.alpha * n:.2g} on average. Abstentions count as not certified. Noise reaches"
        " beyond the bounds of the pixels; the model is asked about such images as they are."
    )
    if not attacked:
        text += " This model has no gradients, so that no attack stands beside the proof."
    return Note(title="What is certified", text=text)

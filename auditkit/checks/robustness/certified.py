"""How much robustness can be proved?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.past_masks import plain_search
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
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
from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError
from auditkit.findings import Evidence, Finding, Metric, Note, Table
from auditkit.methods.attacks.ensemble import LOG_ODDS, RATIO, Ensemble
from auditkit.methods.attacks.narrowing import narrow
from auditkit.methods.certification.balls import Norm
from auditkit.methods.certification.certificate import BOUNDS, Certificate, Certifier
from auditkit.methods.certification.tracing import UnsupportedError
from auditkit.models.classifier import Classifier, ImageClassifier
from auditkit.types import Floats, Scalar, Strings


@final
@dataclass(frozen=True, kw_only=True)
class Certified(Check):
    """Share of inputs whose answer is proved to hold within a radius, beside what attacks left.

    The proof covers every point of the ball within the model's bounds, and the model's own rounding
    on it.

    Parameters
    ----------
    linf, l2 : tuple of float
        Radii in each norm, increasing, in units of the input range (for Linf: shares of it). An
        empty tuple leaves the norm out; at least one norm must be there.
    max_inputs : int
        Inputs that are examined, drawn at random from all of them.
    effort : float
        Multiplications that each of the dearer bounds may cost per input and radius. More proves
        more; a bound that would cost more is left out, and the report says so.

    Raises
    ------
    ConfigError
        If radii do not increase above 0, none is given, or a number is too small.

    References
    ----------
    Zhang et al., 2018, arXiv:1811.00866 (CROWN); Gowal et al., 2018, arXiv:1810.12715 (intervals).
    """

    meta: ClassVar[Meta] = Meta(
        id="certified",
        version=2,
        family="robustness",
        question="How much robustness can be proved?",
        explanation="For each image and radius the margin, the right logit minus every other one,"
        " is bounded from below over all images within the radius at once: by intervals, then by"
        " straight lines below and above every curve of the network, carried from the logits back"
        " to the pixels. Where the bound is above zero, no attack can succeed. The rounding of the"
        " model's own arithmetic is part of the bound. On the same images an attack that knows the"
        " gradient looks for a change that succeeds. The truth lies between both shares.",
        not_shown="An image for which nothing is proved may still be robust: bounds get loose with"
        " depth and radius, and most for networks that were not trained for them. The attack, in"
        " turn, may miss a change that exists.",
        remedy="Train on adversarial examples with small weights, or on the bounds themselves;"
        " smaller and shallower networks are proved further. More effort tightens the bounds.",
        metrics={
            "certified_accuracy": certified_accuracy("the model"),
            "robust_accuracy": Metric(
                label="robust accuracy",
                definition="Share of the examined inputs that are classified correctly and that the"
                " attack within the radius did not change. An upper bound: a stronger attack can"
                " only lower it.",
                unit="share",
                better="higher",
            ),
            CONTRADICTED: Metric(
                label="share proved and yet changed",
                definition="Share of the examined inputs that an attack changed within the radius"
                " that was proved for them. A control of the proofs: anything but 0 is a defect of"
                " auditkit, to be reported.",
                unit="share",
                better="lower",
            ),
        },
        headline="certified/certified_accuracy/all/*",
        modalities=("image",),
        needs_gradients=True,
        references=(
            "Zhang et al., 2018, arXiv:1811.00866",
            "Gowal et al., 2018, arXiv:1810.12715",
            "Singh et al., 2018, Fast and effective robustness certification",
        ),
    )
    linf: tuple[float, ...] = (0.002, 0.005, 0.01, 0.02, 0.05)
    l2: tuple[float, ...] = ()
    max_inputs: int = 32
    effort: float = 5e9

    def __post_init__(self) -> None:
        for norm, radii in self.radii().items():
            ascending("certified", norm, radii, most=1.0 if norm == "linf" else np.inf)
        if not self.radii():
            raise ConfigError(
                "certified: linf and l2 are both empty.", hint="Write for example linf = [0.01]"
            )
        require_least(
            self, max_inputs=1, effort=0, hint="The defaults are max_inputs 32 and effort 5e9."
        )

    def radii(self) -> dict[Norm, tuple[float, ...]]:
        """Return the radii of every norm that has any."""
        given: dict[Norm, tuple[float, ...]] = {"linf": self.linf, "l2": self.l2}
        return {norm: radii for norm, radii in given.items() if radii}

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Return why no bounds can be computed, naming the operator in the way."""
        obstacle = super().applies(model, data)
        if obstacle is not None:
            return obstacle
        assert isinstance(model, ImageClassifier)
        try:
            _certifier(model, self.effort)
        except UnsupportedError as reason:
            return NotApplicable(f"nothing can be proved of this model: {reason}")
        return None

    def measure(self, artifacts: Artifacts) -> Records:
        """Return how far each drawn image is proved, and where it falls; the others are NaN."""
        chosen = artifacts.drawn("certified", self.max_inputs)
        rows = torch.from_numpy(np.flatnonzero(chosen))
        certifier = _certifier(artifacts.image_model, self.effort)
        images, correct = attackable(artifacts)[rows], artifacts[Predictions].correct[rows]
        columns: dict[str, Floats | Strings] = {}
        for norm, radii in self.radii().items():
            proofs = _proofs(artifacts, certifier, rows, images, norm, radii)
            columns[f"certified_{norm}"] = artifacts.column(chosen, [one.radius for one in proofs])
            columns[f"bound_{norm}"] = np.full(len(artifacts), "", dtype=_NAME)
            columns[f"bound_{norm}"][chosen] = [one.bound for one in proofs]
            fallen = _attacked(artifacts, rows, images, correct, norm, radii)
            columns[f"flip_{norm}"] = artifacts.column(chosen, fallen)
        return Records(
            artifacts.ids,
            examples=(),
            drawn=chosen,
            needed=np.full(len(artifacts), certifier.needed),
            symbols=np.full(len(artifacts), certifier.symbols),
            **columns,
        )

    def summarise(self, records: Records, context: Context) -> Measured:
        """Count what is proved and what held at every radius."""
        chosen = records["drawn"]
        findings: list[Finding] = []
        controls: list[Finding] = []
        evidence: dict[str, Evidence] = {"effort": _effort_note(records, self.effort)}
        for norm, radii in self.radii().items():
            proved, flips = records[f"certified_{norm}"][chosen], records[f"flip_{norm}"][chosen]
            control = contradicted(self, proved, flips, swept={"norm": norm}, level=context.level)
            evidence[f"curve-{norm}"] = bracket_curve(
                proved,
                flips,
                radii,
                title=f"Proved and attacked, over the {_AXES[norm]}",
                x_label=f"{_AXES[norm]}, in units of the input range",
                level=context.level,
            )
            evidence[f"bounds-{norm}"] = _bounds_table(
                norm, radii, proved, records[f"bound_{norm}"][chosen]
            )
            findings += bracket(
                self,
                proved,
                flips,
                radii,
                name=norm,
                swept={},
                evidence=[f"curve-{norm}", f"bounds-{norm}", "effort"],
                controls=[control.id],
                level=context.level,
            )
            controls.append(control)
        proofs = [one.id for one in findings if one.metric == "certified_accuracy"]
        return Measured(
            findings=[*findings, *controls], evidence=evidence, headline=proofs[len(proofs) // 2]
        )


_AXES: dict[Norm, str] = {"linf": "Linf radius", "l2": "L2 radius"}
_NAME = f"<U{max(map(len, BOUNDS))}"


def _certifier(model: ImageClassifier, effort: float) -> Certifier:
    return Certifier(
        model.logits,
        model.input_shape,
        bounds=model.bounds,
        device=model.device,
        effort=effort,
    )


def _proofs(
    artifacts: Artifacts,
    certifier: Certifier,
    rows: Tensor,
    images: Tensor,
    norm: Norm,
    radii: Sequence[float],
) -> list[Certificate]:
    """Return how far each image is proved, as shares of the range; -1 where the answer is wrong."""
    clean, bounds = artifacts[Predictions], artifacts.image_model.bounds
    width = bounds[1] - bounds[0]
    found: list[Certificate] = []
    for image, row in zip(images, rows.tolist(), strict=True):
        if not clean.correct[row]:
            found.append(Certificate(-1.0, ""))
            continue
        inside = certifier.radius(
            image[None],
            int(clean.labels[row]),
            epsilons=[one * width for one in radii],
            norm=norm,
        )
        # The radius as it was asked for, not as it comes back from a product and a quotient.
        reached = [one for one in radii if one * width <= inside.radius]
        found.append(Certificate(max(reached, default=0.0), inside.bound))
    return found


def _attacked(
    artifacts: Artifacts,
    rows: Tensor,
    images: Tensor,
    correct: Tensor,
    norm: Norm,
    radii: Sequence[float],
) -> Floats:
    """Return the smallest radius at which each image falls (m,)."""
    model, execution = artifacts.image_model, artifacts.execution
    labels = artifacts.labels[rows].to(images.device)
    known = Ensemble(
        logits=model.logits,
        search=plain_search(artifacts),
        images=images,
        labels=labels,
        norm=norm,
        bounds=model.bounds,
        keys=lambda name: artifacts.keys(f"certified/{name}")[rows.numpy()],
        queries=1,
        batch_size=execution.batch_size,
    ).attacks()
    fallen = narrow(
        model.logits,
        images,
        labels,
        correct.to(images.device),
        attacks=(known[LOG_ODDS], known[RATIO]),
        radii=radii,
        batch_size=execution.batch_size,
    )
    return fallen.radius.cpu().numpy()


def _bounds_table(norm: Norm, radii: Sequence[float], proved: Floats, bounds: Strings) -> Table:
    """Return how many images are proved how far, and which bound that took."""
    rows: list[list[Scalar]] = [
        [radius, *(int(((proved == radius) & (bounds == name)).sum()) for name in BOUNDS)]
        for radius in radii
    ]
    return Table(
        title=f"Images by the largest {_AXES[norm]} proved, and the cheapest bound that proves it",
        columns=[_AXES[norm], *BOUNDS],
        rows=rows,
    )


def _effort_note(records: Records, effort: float) -> Note:
    needed, symbols = float(records["needed"][0]), int(records["symbols"][0])
    text = (
        "Intervals: every layer's numbers alone. Lines: linear bounds from the logits back to the"
        " pixels, with intervals inside. Symbols: the same, with a forward pass inside that"
        " remembers how numbers depend on each other. Lines-throughout: linear bounds of the"
        " numbers inside, too, as far as the effort reaches."
    )
    if symbols:
        text += f" There were {symbols} symbols at most."
    elif np.isfinite(needed):
        text += (
            f" Symbols were left out: this network needs an effort of {needed:.1e} for them, and"
            f" {effort:.1e} was allowed."
        )
    else:
        text += " Symbols were left out: this network would need too much memory for them."
    return Note(title="Which bounds were used", text=text)

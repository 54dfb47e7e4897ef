"""Does something beside the point decide the answer?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.checks.attribution import _image_part, _row_column, _text_words
from auditkit.checks.attribution._image_part import Exchanged, ImagePart
from auditkit.checks.attribution._row_column import RowColumn
from auditkit.checks.attribution._text_words import TextWords
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.galleries import exhibit, galleries
from auditkit.checks.halves import searched_half, searched_on, too_few
from auditkit.checks.parameters import require_least
from auditkit.data.dataset import Dataset
from auditkit.findings import (
    Evidence,
    Finding,
    ImageRow,
    Metric,
    Note,
)
from auditkit.methods.saliency.catalogue import Effort
from auditkit.models.classifier import Classifier
from auditkit.percent import percent, percent_range
from auditkit.randomness import keys_of
from auditkit.statistics import paired_difference
from auditkit.types import Bools

Part: TypeAlias = ImagePart | TextWords | RowColumn


@final
@dataclass(frozen=True, kw_only=True)
class Shortcut(Check):
    """Nominate what draws attribution beside the point, then exchange it and count who follows.

    Attribution says what to suspect; it does not show that behaviour depends on it. So the part is
    exchanged with that of an input of another class, on inputs that nominated nothing.

    Parameters
    ----------
    max_inputs : int
        Inputs that are explained to nominate a part, of one half of the sample, at least 10. All of
        the other half is tried.
    grid : int
        Images: cells along the longer side, at least 3.
    steps : int
        Nodes of integrated gradients, at least 1. A model without gradients gets occlusion.

    Raises
    ------
    ConfigError
        If a parameter lies outside its range.
    """

    meta: ClassVar[Meta] = Meta(
        id="shortcut",
        family="attribution",
        question="Does something beside the point decide the answer?",
        explanation=(
            "On one half of the sample the place in the image, or the word per class, that gets"
            " most attribution beside the point is nominated: outside the region or the rationale"
            " that truly matters where that is known, else at the rim of images, and among all"
            " words of texts. Of a table it is the column with most attribution. On the other half"
            " it is exchanged with that of an input of another class. If answers follow, and more"
            " often than when it is exchanged within the class (or a common word is added), the"
            " model decides by it."
        ),
        not_shown=(
            "Whether what is exchanged should matter is known only where the data says what does."
            " Without that a word or a column that answers follow may be an honest one, and a"
            " shortcut in the middle of images is not looked for. One part is nominated per audit,"
            " or one word per class: others may exist. Shortcuts that are no place, no word and no"
            " column, such as texture, are not found."
        ),
        remedy=(
            "Look at the exchanged inputs. Collect or make training data in which the part does not"
            " go with the label, or remove it, and measure again."
        ),
        metrics={
            "follow_rate": Metric(
                label="answers that follow the part",
                definition=(
                    "Share of held-out inputs whose predicted class becomes that of another input"
                    " when only the nominated part is exchanged with it."
                ),
                unit="share",
                better="lower",
            ),
            "disturbance_rate": Metric(
                label="answers that the exchange disturbs",
                definition=(
                    "Images and tables: share of the same inputs whose predicted class changes"
                    " when the part comes from an input of the same predicted class. Texts: share"
                    " whose answer becomes the same other class when a common word is added at"
                    " their end."
                ),
                unit="share",
                better="lower",
            ),
            "effect": Metric(
                label="effect of the part",
                definition=(
                    "Follow rate minus disturbance rate, on the same inputs. Above 0: answers"
                    " depend on the part."
                ),
                unit="share",
                better="lower",
            ),
            "background_follow_rate": Metric(
                label="answers that follow the background",
                definition=(
                    "Share of held-out images whose predicted class becomes that of another image"
                    " when all that lies outside what truly matters in both is exchanged."
                ),
                unit="share",
                better="lower",
            ),
        },
        headline="shortcut/effect/all",
        modalities=("image", "text", "tabular"),
        references=(
            "Geirhos et al., 2020, arXiv:2004.07780",
            "Lapuschkin et al., 2019, arXiv:1902.10178",
            "Xiao et al., 2021, arXiv:2006.09994",
        ),
    )
    max_inputs: int = 64
    grid: int = 8
    steps: int = 16

    def __post_init__(self) -> None:
        require_least(self, max_inputs=10, grid=3, steps=1)

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Only where both halves hold enough inputs."""
        return super().applies(model, data) or too_few(data)

    def measure(self, artifacts: Artifacts) -> Records:
        """Exchange the nominated part of the shard's held-out inputs."""
        part = artifacts.once(self, lambda: self._nominated(artifacts))
        held_out = ~searched_half(artifacts, "shortcut")[artifacts.positions]
        n = len(artifacts)
        tried, follows, disturbed, background = (np.zeros(n, dtype=np.bool_) for _ in range(4))
        truth_known = artifacts.relevance is not None
        examples: list[Example] = []
        if part is not None:
            found = _exchanged(part, artifacts, held_out)
            tried[found.rows] = True
            follows[found.rows], disturbed[found.rows] = found.follows, found.disturbed
            if found.background is not None:
                background[found.rows] = found.background
            examples = [*found.examples, *_nomination(part, artifacts)]
        return Records(
            artifacts.ids,
            examples=examples,
            nominated=np.full(n, part is not None),
            truth_known=np.full(n, truth_known),
            tried=tried,
            follows=follows,
            disturbed=disturbed,
            background_follows=background,
        )

    def _nominated(self, artifacts: Artifacts) -> Part | None:
        pool = artifacts.at(searched_on(artifacts, "shortcut", self.max_inputs))
        effort = Effort(
            steps=self.steps, copies=1, sets=2, key=keys_of(artifacts.seed, "shortcut", ["maps"])
        )
        method = "integrated-gradients" if artifacts.classifier.differentiable else "occlusion"
        if artifacts.classifier.modality == "text":
            return _text_words.nominate(pool, effort=effort, method=method)
        if artifacts.classifier.modality == "tabular":
            return _row_column.nominate(pool, effort=effort, method=method)
        return _image_part.nominate(pool, grid=self.grid, effort=effort, method=method)

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Count who follows, beside who is disturbed."""
        if not records["nominated"].any():
            return NotApplicable("nothing beside the point gets any attribution")
        tried = records["tried"]
        if not tried.any():
            return NotApplicable("the model gives all explained inputs one class: nothing to swap")
        n, follows, disturbed = int(tried.sum()), records["follows"], records["disturbed"]
        effect = self._effect(follows[tried], disturbed[tried], context)
        shown = ["nomination", *(["random"] if records.gallery("random") else [])]
        findings = [
            self.share(metric, int(column.sum()), n=n, evidence=shown, level=context.level)
            for metric, column in (("follow_rate", follows), ("disturbance_rate", disturbed))
        ]
        if context.data.modality == "image" and records["truth_known"].any():
            followed = int(records["background_follows"].sum())
            findings.append(
                self.share("background_follow_rate", followed, n=n, level=context.level)
            )
        evidence = self._evidence(records, effect)
        return Measured(findings=[effect, *findings], evidence=evidence)

    def _effect(self, follows: Bools, disturbed: Bools, context: Context) -> Finding:
        effect, interval = paired_difference(follows, disturbed, level=context.level)
        return self.value(
            "effect",
            effect,
            n=len(follows),
            interval=interval,
            method="newcombe-paired",
            evidence=["nomination"],
            level=context.level,
        )

    def _evidence(self, records: Records, effect: Finding) -> dict[str, Evidence]:
        nominations = records.gallery("nominated")
        said = " ".join(one.caption for one in nominations)
        confirmed = _confirmed(effect)
        evidence: dict[str, Evidence] = {
            "nomination": Note(title="What was nominated", text=f"{said} {confirmed}")
        }
        if images := [one for one in nominations if isinstance(one, ImageRow)]:
            evidence["where"] = exhibit("Attribution beside the point", "mean", images)
        return evidence | galleries(records, {"random": "Inputs whose answer follows the part"})


def _confirmed(effect: Finding) -> str:
    """Say whether answers follow the part, and how many."""
    if effect.value is None or effect.low is None or effect.high is None:
        return "Whether answers follow it is undefined."
    if effect.low <= 0:
        return "Nominated, not confirmed: answers do not follow it more often than by chance."
    return (
        f"Confirmed: {percent(effect.value)} ({percent_range(effect.low, effect.high)}) of the"
        " answers follow it, beyond those that any exchange disturbs."
    )


def _exchanged(part: Part, artifacts: Artifacts, held_out: Bools) -> Exchanged:
    if isinstance(part, ImagePart):
        return _image_part.exchange(part, artifacts, held_out)
    if isinstance(part, RowColumn):
        return _row_column.exchange(part, artifacts, held_out)
    return _text_words.exchange(part, artifacts, held_out)


def _nomination(part: Part, artifacts: Artifacts) -> list[Example]:
    """Return the nomination as a row, in the shard of the sample's first input alone."""
    if 0 not in artifacts.positions:
        return []
    row = part.row(artifacts.classifier.classes)
    return [Example(gallery="nominated", score=0.0, row=row)]

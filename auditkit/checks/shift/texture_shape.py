"""Does the answer follow the object's outline, or its surface and background?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.changed import logits_of
from auditkit.checks.donors import lend
from auditkit.checks.galleries import galleries
from auditkit.checks.parameters import require_least
from auditkit.data.dataset import Dataset
from auditkit.findings import Bar, Bars, Evidence, Finding, ImageRow, Metric, Note, Picture
from auditkit.methods.pictures import picture
from auditkit.methods.variation.composites import leave_both, on_background, with_texture
from auditkit.models.classifier import Classifier
from auditkit.percent import percent
from auditkit.randomness import uniform
from auditkit.statistics import clopper_pearson, paired_difference
from auditkit.types import Bools, Floats, Ints, Params

PURPOSE = "texture-shape"
COMPOSITES: dict[str, Callable[[Floats, Bools, Floats, Bools], Floats]] = {
    "texture": with_texture,
    "background": on_background,
}
_OWN = {"texture": "outline", "background": "object"}  # the cue that an input keeps


@final
@dataclass(frozen=True, kw_only=True)
class TextureShape(Check):
    """Which of two cues of different classes decides, on images whose objects are marked.

    Parameters
    ----------
    donors : int
        Inputs, drawn by id, that lend their surface or background, at least 2.

    Raises
    ------
    ConfigError
        If there are fewer than 2 donors.
    """

    meta: ClassVar[Meta] = Meta(
        id=PURPOSE,
        family="shift",
        question="Does the answer follow the object's outline, or its surface and background?",
        explanation=(
            "Two images of different classes are put together: the outline of one object with the"
            " surface of another (texture), and one object on the background of another"
            " (background). The model answers with the class of the one or of the other. As a"
            " control the same is done with an image of the same class, which disturbs as much and"
            " holds no conflict. Only inputs that are read rightly when whole are counted."
        ),
        not_shown=(
            "What a model does with natural textures: it depends on what surfaces and backgrounds"
            " the data holds. Where these say nothing about the class, following the outline is all"
            " that a model can have learned. The seams of a composite are cues of their own."
        ),
        remedy=(
            "Train with changed textures and swapped backgrounds (stylised or cut-and-pasted"
            " images), so that only the outline keeps telling the class."
        ),
        metrics={
            "cue_share": Metric(
                label="answers that follow the own cue in a conflict",
                definition=(
                    "Of inputs read rightly when whole whose composite is answered as one of the"
                    " two classes, the share answered as the class of the outline (texture) or of"
                    " the object (background)."
                ),
                unit="share",
                better="higher",
            ),
            "donor_effect": Metric(
                label="answers drawn to the other class",
                definition=(
                    "Of inputs read rightly when whole, the share answered as the class of another"
                    " image that lends its surface or background, minus the share answered as that"
                    " same class when an image of their own class lends it."
                ),
                unit="share",
                better="lower",
            ),
            "conflict_accuracy": Metric(
                label="accuracy in a conflict",
                definition=(
                    "Of inputs read rightly when whole, the share that is still answered as its own"
                    " class with the surface or background of another class."
                ),
                unit="share",
                better="higher",
            ),
            "control_accuracy": Metric(
                label="accuracy without a conflict",
                definition="The same with the surface or background of the own class.",
                unit="share",
                better="higher",
            ),
        },
        headline=f"{PURPOSE}/cue_share/all/composite=texture",
        modalities=("image",),
        references=(
            "Geirhos et al., 2019, arXiv:1811.12231 (cue conflicts)",
            "Xiao et al., 2021, arXiv:2006.09994 (backgrounds)",
        ),
    )
    donors: int = 200

    def __post_init__(self) -> None:
        require_least(self, donors=2, hint="Leave it at 200.")

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Only where the data says which pixels belong to the object."""
        if (reason := super().applies(model, data)) is not None:
            return reason
        if data.relevance(np.arange(1)) is None:
            return NotApplicable("the data does not say which pixels belong to the object")
        return None

    # --- one shard -------------------------------------------------------------------------------

    def measure(self, artifacts: Artifacts) -> Records:
        """Answer every input with what a donor of another, and of the same class lends."""
        lenders = artifacts.sample(f"{PURPOSE}/donors", self.donors)
        shown, masks = _objects(artifacts)
        lent, lent_masks = artifacts.once((PURPOSE, self), lambda: _objects(lenders))
        usable = np.flatnonzero(leave_both(lent_masks))
        n, labels = len(artifacts), artifacts.labels.numpy()
        draws = uniform(artifacts.keys(PURPOSE), (2,))
        donors = lenders.labels.numpy()[usable]
        rows, other, same = lend(donors, labels, np.flatnonzero(leave_both(masks)), draws)
        others, alike = usable[other].tolist(), usable[same].tolist()
        conflicting = np.full(n, -1)
        conflicting[rows] = lenders.labels.numpy()[others]
        columns: dict[str, Any] = {
            "correct": artifacts[Predictions].correct.numpy(),
            "paired": np.isin(np.arange(n), rows),
        }
        examples: list[Example] = []
        for name, put in COMPOSITES.items():
            for kind, chosen in (("conflict", others), ("control", alike)):
                made = [
                    put(shown[i], masks[i], lent[j], lent_masks[j])
                    for i, j in zip(rows.tolist(), chosen, strict=True)
                ]
                answers = _answers(artifacts, made, n, rows)
                columns[f"{name}/{kind}/own"] = answers.predicted == labels
                columns[f"{name}/{kind}/other"] = answers.predicted == conflicting
                if kind == "conflict":
                    fooled = columns["correct"][rows] & columns[f"{name}/{kind}/other"][rows]
                    examples += [
                        _example(
                            artifacts, lenders, name, int(rows[at]), others[at], made[at], answers
                        )
                        for at in np.flatnonzero(fooled)
                    ]
        return Records(artifacts.ids, examples=examples, **columns)

    # --- all shards ------------------------------------------------------------------------------

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Return which cue the answers follow, for either composite."""
        if not records["paired"].any():
            return NotApplicable("no two images of different classes could be put together")
        counted = records["paired"] & records["correct"]
        findings = [one for name in COMPOSITES for one in self._of(name, counted, records, context)]
        return Measured(findings=findings, evidence=_evidence(counted, records, context))

    def _of(
        self, name: str, counted: Bools, records: Records, context: Context
    ) -> Iterator[Finding]:
        swept, level = Params(composite=name), context.level
        own, other = (records[f"{name}/conflict/{one}"][counted] for one in ("own", "other"))
        evidence = ["answers", "reading"]
        yield self.share(
            "cue_share", int(own.sum()), n=int((own | other).sum()), swept=swept,
            evidence=evidence, level=level,
        )  # fmt: skip
        if counted.any():
            effect, interval = paired_difference(
                other, records[f"{name}/control/other"][counted], level=level
            )
            yield self.value(
                "donor_effect", effect, n=len(other), interval=interval, method="newcombe-paired",
                swept=swept, evidence=evidence, level=level,
            )  # fmt: skip
        else:
            yield self.undefined(
                "donor_effect", "no input is read rightly when whole", n=0, swept=swept
            )
        for metric, kind in (("conflict_accuracy", "conflict"), ("control_accuracy", "control")):
            right = records[f"{name}/{kind}/own"][counted]
            yield self.share(
                metric, int(right.sum()), n=len(right), swept=swept, evidence=evidence, level=level
            )


class _Answers(NamedTuple):
    predicted: Ints  # (n,), -1 where nothing was put together
    confidence: Floats  # (n,)


def _objects(artifacts: Artifacts) -> tuple[Floats, Bools]:
    """Return images (n, c, h, w) in raw units and the pixels of their objects (n, h, w)."""
    masks = artifacts.relevance
    assert isinstance(masks, np.ndarray)  # see `applies`
    return artifacts.images.numpy(), masks.astype(np.bool_)


def _answers(artifacts: Artifacts, made: list[Floats], n: int, rows: Ints) -> _Answers:
    predicted, confidence = np.full(n, -1), np.zeros(n)
    if made:
        images = torch.from_numpy(np.stack(made))
        logits = logits_of(artifacts, images, "composites", hint="leave texture-shape out")
        sure, winners = logits.softmax(dim=1).max(dim=1)
        predicted[rows], confidence[rows] = winners.numpy(), sure.numpy()
    return _Answers(predicted, confidence)


def _example(
    artifacts: Artifacts, lenders: Artifacts, name: str, i: int, j: int, made: Floats,
    answers: _Answers,
) -> Example:  # fmt: skip
    bounds, classes = artifacts.image_model.bounds, artifacts.classifier.classes

    def panel(image: Tensor, label: str) -> Picture:
        return picture(image, bounds, label)

    truth, said = classes[int(artifacts.labels[i])], classes[int(answers.predicted[i])]
    row = ImageRow(
        id=artifacts.ids[i],
        caption=f"{truth} with the {name} of {said}, read as {said}"
        f" ({percent(float(answers.confidence[i]), 0)} sure)",
        panels=[
            panel(artifacts.images[i], f"{_OWN[name]}: {truth}"),
            panel(lenders.images[j], f"{name}: {said}"),
            panel(torch.from_numpy(made), "together"),
        ],
    )
    return Example(gallery="worst", score=float(answers.confidence[i]), row=row)


def _evidence(counted: Bools, records: Records, context: Context) -> dict[str, Evidence]:
    bars: list[Bar] = []
    for name, own in _OWN.items():
        columns = {
            f"{name}: class of the {own}": records[f"{name}/conflict/own"],
            f"{name}: class of the {name}": records[f"{name}/conflict/other"],
            f"{name}: right without conflict": records[f"{name}/control/own"],
        }
        bars += [_bar(label, one[counted], context.level) for label, one in columns.items()]
    return {
        "answers": Bars(
            title="What composites are answered as, of inputs read rightly when whole",
            value_label="share",
            bars=bars,
        ),
        "reading": Note(title="How to read this", text=_READING),
        **galleries(records, {"worst": "The surest answers that follow what was lent"}),
    }


_READING = (
    "The control says what putting images together costs by itself. Where it is low, a low share in"
    " a conflict is no sign of reading surfaces; the answers drawn to the other class have the"
    " control taken off. A share of answers that follow the own cue leaves out composites answered"
    " as a third class."
)


def _bar(label: str, hits: Bools, level: float) -> Bar:
    if len(hits) == 0:
        return Bar(label=label, value=None, n=0)
    low, high = clopper_pearson(int(hits.sum()), len(hits), level=level)
    return Bar(label=label, value=float(hits.mean()), low=low, high=high, n=len(hits))

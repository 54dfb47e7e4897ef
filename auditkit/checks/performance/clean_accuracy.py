"""How often is the model right before anything is changed?"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import GALLERY_SIZE, Check, Context, Example, Measured, Meta, Records
from auditkit.data.dataset import Dataset
from auditkit.data.digest import input_digest
from auditkit.findings import (
    Bar,
    Bars,
    Evidence,
    Finding,
    ImageExhibit,
    ImageRow,
    Matrix,
    Metric,
    Table,
    TextExhibit,
    TextRow,
    Token,
)
from auditkit.methods.metrics.classification import balanced_accuracy, confusion_matrix
from auditkit.methods.pictures import picture
from auditkit.statistics import mean_of_shares
from auditkit.types import Bools, Ints

MATRIX_CLASSES = 30  # a larger confusion matrix cannot be read
TABLE_ROWS = 30
PerClass = Literal["precision", "recall"]


@final
@dataclass(frozen=True, kw_only=True)
class CleanAccuracy(Check):
    """Accuracy overall and per class, the confusions, and inputs that appear more than once.

    References
    ----------
    Brodersen et al., 2010, doi:10.1109/ICPR.2010.764 (balanced accuracy); Barz and Denzler, 2020,
    doi:10.3390/jimaging6060041 (test images that are also training images).
    """

    meta: ClassVar[Meta] = Meta(
        id="clean-accuracy",
        family="performance",
        question="How often is the model right before anything is changed?",
        explanation=(
            "Every input is classified once and compared with its label. Inputs whose content"
            " appears more than once, or also in the training data, are counted, because they make"
            " accuracy look better or surer than it is."
        ),
        not_shown=(
            "How the model does on inputs that are not like these. Wrong labels count against the"
            " model. Near duplicates (re-encoded or cropped) are not found: only exact copies are."
        ),
        remedy=(
            "Look at the most confident mistakes and the largest confusions first: wrong labels,"
            " missing preprocessing and classes that overlap show there."
        ),
        metrics={
            "accuracy": Metric(
                label="accuracy",
                definition="Correct predictions among all inputs.",
                unit="share",
                better="higher",
                plain="{value} of the answers are right",
            ),
            "balanced_accuracy": Metric(
                label="balanced accuracy",
                definition="Mean of the recalls of the classes that occur, each counting alike.",
                unit="share",
                better="higher",
            ),
            "precision": Metric(
                label="precision",
                definition="Correct predictions among the inputs predicted as this class.",
                unit="share",
                better="higher",
            ),
            "recall": Metric(
                label="recall",
                definition="Correct predictions among the inputs that are this class.",
                unit="share",
                better="higher",
            ),
            "duplicate_share": Metric(
                label="share of duplicated inputs",
                definition="Inputs whose exact content appears more than once, among all inputs"
                " audited.",
                unit="share",
                better="lower",
            ),
            "conflicting_duplicates": Metric(
                label="duplicates with conflicting labels",
                definition="Inputs whose exact content also appears under another label.",
                unit="inputs",
                better="lower",
            ),
            "training_overlap_share": Metric(
                label="share of inputs seen in training",
                definition="Inputs whose exact content is also in the training data, among all"
                " inputs audited.",
                unit="share",
                better="lower",
            ),
        },
        headline="clean-accuracy/accuracy/all",
        references=(
            "Brodersen et al., 2010, doi:10.1109/ICPR.2010.764",
            "Barz and Denzler, 2020, doi:10.3390/jimaging6060041",
        ),
    )

    def measure(self, artifacts: Artifacts) -> Records:
        """Classify the shard, and take the digest of every input."""
        clean = artifacts[Predictions]
        inputs = artifacts.inputs
        contents = inputs if isinstance(inputs, list) else inputs.numpy()
        return Records(
            artifacts.ids,
            examples=_mistakes(artifacts, clean),
            correct=clean.correct.numpy(),
            predicted=clean.predicted.numpy(),
            confidence=clean.confidence.numpy().astype(np.float64),
            digest=np.array([input_digest(one) for one in contents]),
        )

    def summarise(self, records: Records, context: Context) -> Measured:
        """Count what was right, what was taken for what, and what appears twice."""
        data, level = context.data, context.level
        confusion = confusion_matrix(
            data.labels, records["predicted"], classes=len(data.classes)
        )  # (k, k)
        recalls = self._per_class("recall", confusion, data, level)
        precisions = self._per_class("precision", confusion, data, level)
        twice, conflicting = _repeated(records["digest"], data.labels)
        return Measured(
            findings=[
                self.share(
                    "accuracy",
                    records.count("correct"),
                    n=len(records),
                    evidence=["confusion", "mistakes"],
                    level=level,
                ),
                self._balanced_accuracy(confusion, level),
                *recalls,
                *precisions,
                self._counted("duplicate_share", twice.mean(), twice.size),
                self._counted("conflicting_duplicates", conflicting.sum(), twice.size),
                self._training_overlap(records["digest"], data),
            ],
            evidence={
                "confusion": _confusion(confusion, data.classes),
                "recall": _bars("recall", data.classes, recalls),
                "precision": _bars("precision", data.classes, precisions),
                "mistakes": _gallery(records, data),
                "duplicates": _duplicates(records["digest"], twice, data),
            },
        )

    def _balanced_accuracy(self, confusion: Ints, level: float) -> Finding:
        occurs = confusion.sum(axis=1) > 0
        hits, totals = confusion.diagonal()[occurs], confusion.sum(axis=1)[occurs]
        return self.value(
            "balanced_accuracy",
            balanced_accuracy(confusion),
            n=int(totals.sum()),
            interval=mean_of_shares(hits, totals, level=level),
            method="adjusted-normal",
            evidence=["recall"],
            level=level,
        )

    def _per_class(
        self, metric: PerClass, confusion: Ints, data: Dataset, level: float
    ) -> list[Finding]:
        totals = confusion.sum(axis=1 if metric == "recall" else 0)
        verb = "is labelled" if metric == "recall" else "is predicted as"
        findings: list[Finding] = []
        for i, name in enumerate(data.classes):
            where, n = f"class={name}", int(totals[i])
            findings.append(
                self.share(
                    metric,
                    int(confusion[i, i]),
                    n=n,
                    slice_name=where,
                    evidence=[metric, "confusion"],
                    level=level,
                )
                if n
                else self.undefined(metric, f"no input {verb} {name!r}", n=0, slice_name=where)
            )
        return findings

    def _counted(self, metric: str, value: float, n: int) -> Finding:
        """Return a fact about the data at hand: counted, not estimated."""
        return self.value(
            metric, value, n=n, interval=None, method="exact", evidence=["duplicates"]
        )

    def _training_overlap(self, digests: NDArray[np.str_], data: Dataset) -> Finding:
        if data.training_digests is None:
            return self.undefined(
                "training_overlap_share",
                "the training data of this model is not known",
                n=len(digests),
            )
        seen = sum(str(one) in data.training_digests for one in digests)
        return self.value(
            "training_overlap_share",
            seen / len(digests),
            n=len(digests),
            interval=None,
            method="exact",
        )


def _mistakes(artifacts: Artifacts, clean: Predictions) -> list[Example]:
    """Return the most confident mistakes of the shard, ready to be shown."""
    wrong = np.flatnonzero(~clean.correct.numpy())
    confidence = clean.confidence.numpy()
    names = artifacts.data.classes
    examples: list[Example] = []
    for i in sorted(wrong, key=lambda i: (-confidence[i], artifacts.ids[i]))[:GALLERY_SIZE]:
        said, truth = names[int(clean.predicted[i])], names[int(clean.labels[i])]
        caption = f"labelled {truth!r}, predicted {said!r} with confidence {confidence[i]:.3f}"
        examples.append(
            Example(
                gallery="mistakes",
                score=float(confidence[i]),
                row=_row(artifacts, int(i), caption),
            )
        )
    return examples


def _row(artifacts: Artifacts, i: int, caption: str) -> ImageRow | TextRow:
    if artifacts.classifier.modality != "image":
        words = Token(text=artifacts.in_words(i))
        return TextRow(id=artifacts.ids[i], caption=caption, tokens=[words])
    shown = picture(artifacts.images[i], artifacts.image_model.bounds, "input")
    return ImageRow(id=artifacts.ids[i], caption=caption, panels=[shown])


def _gallery(records: Records, data: Dataset) -> Evidence:
    rows = records.gallery("mistakes")
    title = "Most confident mistakes"
    if data.modality == "image":
        images = [row for row in rows if isinstance(row, ImageRow)]
        return ImageExhibit(title=title, selection="worst", rows=images)
    texts = [row for row in rows if isinstance(row, TextRow)]
    return TextExhibit(title=title, selection="worst", rows=texts)


def _confusion(confusion: Ints, classes: tuple[str, ...]) -> Evidence:
    if len(classes) <= MATRIX_CLASSES:
        return Matrix(
            title="Confusion matrix",
            row_label="label",
            column_label="prediction",
            rows=list(classes),
            columns=list(classes),
            values=confusion.astype(float).tolist(),
            unit="inputs",
        )
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    most = np.argsort(-wrong, axis=None, kind="stable")[:TABLE_ROWS]
    cells = [(int(i), int(j)) for i, j in zip(*np.unravel_index(most, wrong.shape), strict=True)]
    return Table(
        title=f"Most frequent confusions ({len(classes)} classes)",
        columns=["label", "prediction", "inputs"],
        rows=[[classes[i], classes[j], int(wrong[i, j])] for i, j in cells if wrong[i, j] > 0],
    )


def _bars(metric: PerClass, classes: tuple[str, ...], findings: list[Finding]) -> Bars:
    return Bars(
        title=f"{metric.capitalize()} per class",
        value_label=metric,
        bars=[
            Bar(label=name, value=one.value, low=one.low, high=one.high, n=one.n)
            for name, one in zip(classes, findings, strict=True)
        ],
    )


def _repeated(digests: NDArray[np.str_], labels: Ints) -> tuple[Bools, Bools]:
    """Return which inputs appear more than once, and which also under another label, (n,) each."""
    _, codes, counts = np.unique(digests, return_inverse=True, return_counts=True)
    lowest = np.full(len(counts), labels.max())
    highest = np.full(len(counts), labels.min())
    np.minimum.at(lowest, codes, labels)
    np.maximum.at(highest, codes, labels)
    return counts[codes] > 1, (lowest < highest)[codes]


def _duplicates(digests: NDArray[np.str_], twice: Bools, data: Dataset) -> Table:
    same: dict[str, list[int]] = defaultdict(list)
    for i in np.flatnonzero(twice):
        same[str(digests[i])].append(int(i))
    return Table(
        title=f"Contents that appear more than once ({len(same)}; at most {TABLE_ROWS} shown)",
        columns=["ids", "labels"],
        rows=[
            [
                ", ".join(data.ids[i] for i in rows),
                ", ".join(data.classes[data.labels[i]] for i in rows),
            ]
            for rows in list(same.values())[:TABLE_ROWS]
        ],
    )

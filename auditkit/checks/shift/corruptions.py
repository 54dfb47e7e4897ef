"""How much accuracy is lost when images are noisy, blurred, bright, compressed or coarse?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Example, Measured, Meta, Records
from auditkit.checks.shift._graded import (
    Cell,
    Fallen,
    accuracy_series,
    fallen_in,
    mean_error,
    require_choice,
    require_severities,
    worst,
)
from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError, near_miss
from auditkit.findings import (
    Curve,
    Evidence,
    Finding,
    ImageExhibit,
    ImageRow,
    Matrix,
    Metric,
    Note,
)
from auditkit.methods.corruptions.catalogue import CORRUPTIONS
from auditkit.methods.corruptions.jpeg_compression import codec
from auditkit.methods.corruptions.severity import SEVERITIES, origin_of_constants
from auditkit.methods.pictures import picture
from auditkit.statistics import paired_difference
from auditkit.types import Bools, Params


@final
@dataclass(frozen=True, kw_only=True)
class Corruptions(Check):
    """Accuracy under published image corruptions at five severities.

    Raw inputs are scaled from the model's bounds to [0, 1], corrupted, and scaled back. An input
    gets the same corruption in every run of the same seed.

    Parameters
    ----------
    severities : tuple of int
        Distinct severities from 1 to 5.
    kinds : tuple of str
        Distinct names from `auditkit.methods.corruptions.catalogue.CORRUPTIONS`.

    Raises
    ------
    ConfigError
        If a severity or a kind is unknown or named twice, or a tuple is empty.

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261.
    """

    meta: ClassVar[Meta] = Meta(
        id="corruptions",
        family="shift",
        question="How much accuracy is lost when images are noisy, blurred, bright, compressed or"
        " coarse?",
        explanation="Every image is corrupted in each way at each severity, with the constants of"
        " the published benchmark, and read by the model again. Each accuracy is compared with"
        " the accuracy on the same images when clean.",
        not_shown="Changes of other kinds: other weather, other cameras, other viewpoints, other"
        " places. The mean error is not divided by that of a reference model, so it cannot be"
        " compared across data sets.",
        remedy="Train with varied augmentation that does not copy these corruptions one by one"
        " (AugMix, random erasing, mixed resolutions), or restore images before they are read.",
        metrics={
            "mean_corruption_error": Metric(
                label="mean corruption error",
                definition="Error averaged over all corruptions and severities, of all inputs;"
                " not normalised by a reference model.",
                unit="share",
                better="lower",
            ),
            "corruption_error": Metric(
                label="corruption error",
                definition="Error under one corruption averaged over its severities, of all"
                " inputs.",
                unit="share",
                better="lower",
            ),
            "accuracy": Metric(
                label="accuracy under corruption",
                definition="Share of all inputs that are classified correctly under one"
                " corruption at one severity.",
                unit="share",
                better="higher",
            ),
            "accuracy_drop": Metric(
                label="accuracy lost to corruption",
                definition="Accuracy on the clean inputs minus accuracy on the same inputs under"
                " one corruption at one severity.",
                unit="share",
                better="lower",
            ),
        },
        headline="corruptions/mean_corruption_error/all",
        modalities=("image",),
        references=("Hendrycks and Dietterich, 2019, arXiv:1903.12261",),
    )
    severities: tuple[int, ...] = SEVERITIES
    kinds: tuple[str, ...] = tuple(CORRUPTIONS)

    def __post_init__(self) -> None:
        require_severities("corruptions", self.severities)
        require_choice("corruptions", "kinds", self.kinds)
        for kind in self.kinds:
            if kind not in CORRUPTIONS:
                raise ConfigError(
                    f"corruptions: there is no corruption {kind!r}.{near_miss(kind, CORRUPTIONS)}",
                    hint=f"The corruptions are {', '.join(CORRUPTIONS)}.",
                )

    def measure(self, artifacts: Artifacts) -> Records:
        """Read one shard under every corruption and severity, one after the other."""
        low, high = artifacts.image_model.bounds
        unit = (artifacts.images - low) / (high - low)  # (n, c, h, w) in [0, 1]
        columns: dict[str, Bools] = {"correct": artifacts[Predictions].correct.numpy()}
        fallen: list[Fallen] = []
        for kind in self.kinds:
            keys = artifacts.keys(_purpose(kind))
            for severity in self.severities:
                changed = CORRUPTIONS[kind](unit, severity, keys)
                name = f"{kind} at severity {severity}"
                cell = Cell.read(artifacts, low + changed * (high - low), name)
                columns[_column(kind, severity)] = cell.correct
                fallen = worst([*fallen, *fallen_in(artifacts, cell, kind, severity)])
        examples = [_example(artifacts, unit, one) for one in fallen]
        return Records(artifacts.ids, examples=examples, **columns)

    def summarise(self, records: Records, context: Context) -> Measured:
        """Return the mean errors, then accuracy and its drop per corruption and severity."""
        findings = [self._mean_error(records, context)]
        findings += [self._error_of(kind, records, context) for kind in self.kinds]
        for kind in self.kinds:
            for severity in self.severities:
                findings += self._cell(kind, severity, records, context)
        return Measured(findings=findings, evidence=self._evidence(records, context))

    def _mean_error(self, records: Records, context: Context) -> Finding:
        cells = [records[_column(k, s)] for k in self.kinds for s in self.severities]
        value, interval, method = mean_error(
            cells, seed=context.key("corruptions", "mean"), level=context.level
        )
        return self.value(
            "mean_corruption_error", value, n=len(records), interval=interval, method=method,
            evidence=("curve", "matrix", "constants"), level=context.level,
        )  # fmt: skip

    def _error_of(self, kind: str, records: Records, context: Context) -> Finding:
        cells = [records[_column(kind, severity)] for severity in self.severities]
        value, interval, method = mean_error(
            cells, seed=context.key("corruptions", kind), level=context.level
        )
        return self.value(
            "corruption_error", value, n=len(records), interval=interval, method=method,
            swept={"corruption": kind}, evidence=("curve",), level=context.level,
        )  # fmt: skip

    def _cell(self, kind: str, severity: int, records: Records, context: Context) -> list[Finding]:
        swept: Params = {"corruption": kind, "severity": severity}
        column, n = _column(kind, severity), len(records)
        drop, interval = paired_difference(records["correct"], records[column], level=context.level)
        return [
            self.share(
                "accuracy", records.count(column), n=n, swept=swept,
                evidence=("curve", "matrix"), level=context.level,
            ),
            self.value(
                "accuracy_drop", drop, n=n, interval=interval, method="newcombe-paired",
                swept=swept, evidence=("curve",), level=context.level,
            ),
        ]  # fmt: skip

    def _evidence(self, records: Records, context: Context) -> dict[str, Evidence]:
        ordered = sorted(self.severities)
        series = [
            accuracy_series(
                kind,
                {0: records["correct"], **{s: records[_column(kind, s)] for s in ordered}},
                level=context.level,
            )
            for kind in self.kinds
        ]
        evidence: dict[str, Evidence] = {
            "curve": Curve(
                title="Accuracy over severity, 0 being the clean images",
                x_label="severity",
                y_label="accuracy",
                series=series,
            ),
            "matrix": Matrix(
                title="Accuracy per corruption and severity",
                row_label="corruption",
                column_label="severity",
                rows=list(self.kinds),
                columns=[str(severity) for severity in ordered],
                values=[
                    [float(records[_column(kind, s)].mean()) for s in ordered]
                    for kind in self.kinds
                ],
                unit="share",
            ),
            "constants": Note(
                title="Where the strength of the corruptions comes from",
                text=_constants(context.data, self.kinds),
            ),
        }
        rows = [row for row in records.gallery("worst") if isinstance(row, ImageRow)]
        if rows:
            evidence["worst"] = ImageExhibit(
                title="Read rightly when clean, wrongly at the lowest severity",
                selection="worst",
                rows=rows,
            )
        return evidence


def _column(kind: str, severity: int) -> str:
    return f"{kind}-{severity}"


def _purpose(kind: str) -> str:
    return f"corruptions/{kind}"


def _constants(data: Dataset, kinds: tuple[str, ...]) -> str:
    batch = data.read(np.arange(1))
    assert not isinstance(batch, list)  # the check is about images only
    channels, height, width = batch.shape[1:]
    sentences = [origin_of_constants(height=height, width=width)]
    if "brightness" in kinds and channels == 1:
        sentences.append("Brightness is added to every grey pixel, which is its own HSV value.")
    if "jpeg-compression" in kinds:
        sentences.append(f"Images were compressed by {codec()}; another codec can differ.")
    return " ".join(sentences)


def _example(artifacts: Artifacts, unit: Tensor, fallen: Fallen) -> Example:
    """Corrupt one image again, which its key makes the same, and show it beside the clean one."""
    here = slice(fallen.position, fallen.position + 1)
    key = artifacts.keys(_purpose(fallen.kind))[here]
    changed = CORRUPTIONS[fallen.kind](unit[here], fallen.severity, key)
    classes = artifacts.classifier.classes
    truth = classes[int(artifacts.labels[fallen.position])]
    row = ImageRow(
        id=fallen.id,
        caption=f"{truth}, read as {classes[fallen.predicted]} ({fallen.confidence:.0%} sure)"
        f" under {fallen.kind} at severity {fallen.severity}",
        panels=[
            picture(unit[fallen.position], (0.0, 1.0), "clean"),
            picture(changed[0], (0.0, 1.0), f"{fallen.kind}, severity {fallen.severity}"),
        ],
    )
    return Example(gallery="worst", score=fallen.score, row=row)

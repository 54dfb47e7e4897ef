"""How much accuracy is lost to noise, blur, bad weather and damage by processing?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import (
    Check,
    Context,
    Example,
    Measured,
    Meta,
    NotApplicable,
    Records,
)
from auditkit.checks.changed import corrupted
from auditkit.checks.parameters import require_choice
from auditkit.checks.shift._graded import (
    Cell,
    Fallen,
    accuracy_and_drop,
    accuracy_series,
    fallen_in,
    mean_error,
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
    Series,
)
from auditkit.methods.corruptions.catalogue import COLOUR_ONLY, CORRUPTIONS, GROUPS, STANDARD
from auditkit.methods.corruptions.jpeg_compression import codec
from auditkit.methods.corruptions.severity import SEVERITIES, origin_of_constants
from auditkit.methods.metrics.corruption_error import normalised_error, relative_error
from auditkit.methods.pictures import picture
from auditkit.models.classifier import Classifier
from auditkit.percent import percent
from auditkit.statistics import bounded_mean
from auditkit.types import Bools, Params

_IN_ONE_FIGURE = 6  # more lines cannot be told apart


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
        Distinct names from `auditkit.methods.corruptions.catalogue.CORRUPTIONS`: the nineteen
        published corruptions. Those that change colour alone are left out of other images.

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
        version=2,
        question="How much accuracy is lost to noise, blur, bad weather and damage by processing?",
        explanation="Every image is corrupted in each way at each severity, with the constants of"
        " the published benchmark, and read by the model again. Each accuracy is compared with"
        " the accuracy on the same images when clean. Fifteen corruptions are the standard, and"
        " the mean is over those of them that were measured; four more stand beside them.",
        not_shown="Changes of other kinds: other weather, other cameras, other viewpoints, other"
        " places. The mean error is not divided by that of a reference model, so it cannot be"
        " compared across data sets. Published tables hold for the published frost and for"
        " ImageMagick's motion blur: here textures are generated (generated-frost) and motion blur"
        " and snow use the usual stand-in, so that numbers come close but are not the same.",
        remedy="Train with varied augmentation that does not copy these corruptions one by one"
        " (AugMix, random erasing, mixed resolutions), or restore images before they are read.",
        metrics={
            "mean_corruption_error": Metric(
                label="mean corruption error",
                definition="Error averaged over severities and over those of the fifteen standard"
                " corruptions that were measured, of all inputs; over the others where none of the"
                " fifteen was. Not normalised by a reference model.",
                unit="share",
                better="lower",
                plain="Under noise, blur, bad weather and damage, {value} of the answers are wrong",
            ),
            "normalised_mean_corruption_error": Metric(
                label="mean corruption error, AlexNet being 1",
                definition="Error under each of the fifteen standard corruptions over that of"
                " AlexNet, averaged over the fifteen, of all inputs. Only for colour images of 224"
                " x 224 pixels in 1,000 classes, like those that AlexNet's errors come from.",
                unit="ratio",
                better="lower",
            ),
            "relative_mean_corruption_error": Metric(
                label="error added by corruption, AlexNet being 1",
                definition="Error under each of the fifteen standard corruptions minus the clean"
                " error, over the same difference of AlexNet, averaged over the fifteen, of all"
                " inputs. Given where the normalised mean is.",
                unit="ratio",
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
                unit="share difference",
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

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Return why there is nothing to measure: only colour would change, and there is none."""
        nothing = super().applies(model, data)
        if nothing is None and not self._kinds(_shape(data)[0]):
            nothing = NotApplicable(
                f"{' and '.join(self.kinds)} changes colour alone, and these images have none"
            )
        return nothing

    def _kinds(self, channels: int) -> tuple[str, ...]:
        return tuple(kind for kind in self.kinds if channels == 3 or kind not in COLOUR_ONLY)

    def measure(self, artifacts: Artifacts) -> Records:
        """Read one shard under every corruption and severity, one after the other."""
        columns: dict[str, Bools] = {"correct": artifacts[Predictions].correct.numpy()}
        fallen: list[Fallen] = []
        for kind in self._kinds(artifacts.images.shape[1]):
            for severity in self.severities:
                changed = corrupted(artifacts, artifacts.images, kind, severity)
                cell = Cell.read(artifacts, changed, f"{kind} at severity {severity}")
                columns[_column(kind, severity)] = cell.correct
                fallen = worst([*fallen, *fallen_in(artifacts, cell, kind, severity)])
        examples = [_example(artifacts, one) for one in fallen]
        return Records(artifacts.ids, examples=examples, **columns)

    def summarise(self, records: Records, context: Context) -> Measured:
        """Return the mean errors, then accuracy and its drop per corruption and severity."""
        kinds = self._kinds(_shape(context.data)[0])
        findings = [self._mean_error(kinds, records, context)]
        if not self._why_not_normalised(context.data):
            findings += self._normalised(records, context)
        findings += [self._error_of(kind, records, context) for kind in kinds]
        for kind in kinds:
            for severity in self.severities:
                findings += self._cell(kind, severity, records, context)
        return Measured(findings=findings, evidence=self._evidence(kinds, records, context))

    def _mean_error(self, kinds: tuple[str, ...], records: Records, context: Context) -> Finding:
        cells = [records[_column(k, s)] for k in averaged(kinds) for s in self.severities]
        value, interval, method = mean_error(
            cells, seed=context.key("corruptions", "mean"), level=context.level
        )
        return self.value(
            "mean_corruption_error", value, n=len(records), interval=interval, method=method,
            evidence=("matrix", *dict.fromkeys(_curve_of(kind, kinds) for kind in kinds), "words"),
            level=context.level,
        )  # fmt: skip

    def _why_not_normalised(self, data: Dataset) -> str:
        """Return why errors are not divided by AlexNet's, or nothing where they are."""
        channels, height, width = _shape(data)
        if (channels, height, width) != (3, 224, 224):
            return "the images are not colour images of 224 x 224 pixels"
        if len(data.classes) != 1000:
            return "the classes are not the 1,000 of ImageNet"
        missing = [kind for kind in STANDARD if kind not in self.kinds]
        if missing or set(self.severities) != set(SEVERITIES):
            return "not all fifteen standard corruptions were measured at all five severities"
        return ""

    def _normalised(self, records: Records, context: Context) -> list[Finding]:
        """Return both means as multiples of AlexNet's."""
        clean = 1.0 - records["correct"]
        errors = {
            kind: 1 - np.mean([records[_column(kind, s)] for s in self.severities], axis=0)
            for kind in STANDARD
        }
        best = dict.fromkeys(STANDARD, np.zeros(1))
        worst_case = dict.fromkeys(STANDARD, np.ones(1))
        measured = {
            "normalised_mean_corruption_error": (
                normalised_error(errors), normalised_error(best), normalised_error(worst_case),
            ),
            "relative_mean_corruption_error": (
                relative_error(errors, clean),
                relative_error(best, np.ones(1)), relative_error(worst_case, np.zeros(1)),
            ),
        }  # fmt: skip
        findings: list[Finding] = []
        for metric, (values, low, high) in measured.items():
            value, interval, method = bounded_mean(
                values, low=float(low[0]), high=float(high[0]),
                seed=context.key("corruptions", metric), level=context.level,
            )  # fmt: skip
            findings.append(
                self.value(
                    metric,
                    value,
                    n=len(records),
                    interval=interval,
                    method=method,
                    evidence=("matrix", "words"),
                    level=context.level,
                )
            )
        return findings

    def _error_of(self, kind: str, records: Records, context: Context) -> Finding:
        cells = [records[_column(kind, severity)] for severity in self.severities]
        value, interval, method = mean_error(
            cells, seed=context.key("corruptions", kind), level=context.level
        )
        return self.value(
            "corruption_error", value, n=len(records), interval=interval, method=method,
            swept={"corruption": kind}, evidence=(self._curve(kind, context),),
            level=context.level,
        )  # fmt: skip

    def _curves(
        self, kinds: tuple[str, ...], records: Records, context: Context
    ) -> dict[str, Evidence]:
        """Return accuracy over severity, at most a handful of corruptions to a figure."""
        series: dict[str, list[Series]] = {}
        for kind in kinds:
            columns = {s: records[_column(kind, s)] for s in sorted(self.severities)}
            line = accuracy_series(kind, {0: records["correct"], **columns}, level=context.level)
            series.setdefault(_curve_of(kind, kinds), []).append(line)
        return {
            key: Curve(
                title="Accuracy over severity, 0 being the clean images"
                + (f": {key.removeprefix('curve-')}" if key != "curve" else ""),
                x_label="severity",
                y_label="accuracy",
                series=lines,
            )
            for key, lines in series.items()
        }

    def _cell(self, kind: str, severity: int, records: Records, context: Context) -> list[Finding]:
        swept: Params = {"corruption": kind, "severity": severity}
        curve = self._curve(kind, context)
        return accuracy_and_drop(
            self, _column(kind, severity), records, swept=swept, evidence=(curve, "matrix"),
            evidence_of_drop=(curve,), level=context.level,
        )  # fmt: skip

    def _curve(self, kind: str, context: Context) -> str:
        return _curve_of(kind, self._kinds(_shape(context.data)[0]))

    def _evidence(
        self, kinds: tuple[str, ...], records: Records, context: Context
    ) -> dict[str, Evidence]:
        ordered = sorted(self.severities)
        evidence: dict[str, Evidence] = {
            **self._curves(kinds, records, context),
            "matrix": Matrix(
                title="Accuracy per corruption and severity",
                row_label="corruption",
                column_label="severity",
                rows=list(kinds),
                columns=[str(severity) for severity in ordered],
                values=[
                    [float(records[_column(kind, s)].mean()) for s in ordered] for kind in kinds
                ],
                unit="share",
            ),
            "words": Note(
                title="What the mean is over",
                text=_words(kinds, self._why_not_normalised(context.data)),
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


def averaged(kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Return those that the mean is over: of the standard fifteen, or all if none is."""
    return tuple(kind for kind in kinds if kind in STANDARD) or kinds


def _shape(data: Dataset) -> tuple[int, int, int]:
    batch = data.read(np.arange(1))
    assert not isinstance(batch, list)  # the check is about images only
    channels, height, width = batch.shape[1:]
    return channels, height, width


def _curve_of(kind: str, kinds: tuple[str, ...]) -> str:
    """Return the key of the figure that shows a corruption: one for all, or one for each group."""
    if len(kinds) <= _IN_ONE_FIGURE:
        return "curve"
    return next(f"curve-{group}" for group, members in GROUPS.items() if kind in members)


def _words(kinds: tuple[str, ...], why_not: str) -> str:
    """Return what the mean is over and what it may be compared with."""
    over = averaged(kinds)
    if over[0] not in STANDARD:
        sentences = [f"The mean is over {', '.join(over)}, none of the standard fifteen."]
    elif len(over) == len(STANDARD):
        sentences = ["The mean is over the fifteen standard corruptions."]
    else:
        sentences = [f"The mean is over {len(over)} of the fifteen standard: {', '.join(over)}."]
    beside = [kind for kind in kinds if kind not in over]
    if beside:
        sentences.append(f"Beside it, and not in it: {', '.join(beside)}.")
    if why_not:
        sentences.append(f"It is not divided by the error of AlexNet, because {why_not}.")
    else:
        sentences.append(
            "The normalised means divide by the published errors of AlexNet on ImageNet-C; where"
            " corruptions differ from the published ones they are close to comparable, no more."
        )
    if "generated-frost" in over:
        sentences.append("Frost is of generated textures, in place of the published photographs.")
    return " ".join(sentences)


def _column(kind: str, severity: int) -> str:
    return f"{kind}-{severity}"


def _constants(data: Dataset, kinds: tuple[str, ...]) -> str:
    channels, height, width = _shape(data)
    sentences = [origin_of_constants(height=height, width=width)]
    if "brightness" in kinds and channels == 1:
        sentences.append("Brightness is added to every grey pixel, which is its own HSV value.")
    if channels != 3 and any(kind in COLOUR_ONLY for kind in kinds):
        sentences.append("Saturation is left out: these images have no colour.")
    if channels not in (1, 3):
        sentences.append(f"Each of the {channels} channels is treated as a grey image.")
    if "jpeg-compression" in kinds:
        sentences.append(f"Images were compressed by {codec()}; another codec can differ.")
    return " ".join(sentences)


def _example(artifacts: Artifacts, fallen: Fallen) -> Example:
    """Corrupt one image again, which its key makes the same, and show it beside the clean one."""
    here = slice(fallen.position, fallen.position + 1)
    images, bounds = artifacts.images[here], artifacts.image_model.bounds
    changed = corrupted(artifacts, images, fallen.kind, fallen.severity, rows=here)
    classes = artifacts.classifier.classes
    truth = classes[int(artifacts.labels[fallen.position])]
    row = ImageRow(
        id=fallen.id,
        caption=f"{truth}, read as {classes[fallen.predicted]} ({percent(fallen.confidence, 0)}"
        f" sure) under {fallen.kind} at severity {fallen.severity}",
        panels=[
            picture(images[0], bounds, "clean"),
            picture(changed[0], bounds, f"{fallen.kind}, severity {fallen.severity}"),
        ],
    )
    return Example(gallery="worst", score=fallen.score, row=row)

"""Does the model read coarse shapes, or fine detail that people hardly see?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, final

from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.parameters import require_choice
from auditkit.checks.shift._graded import accuracy_and_drop, accuracy_series, mean_error
from auditkit.checks.shift._levels import Level, records_of, worst_images
from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError
from auditkit.findings import Bar, Bars, Curve, Evidence, Finding, Metric, Note
from auditkit.methods.variation.frequencies import high_pass, low_pass, wave_noise, waves
from auditkit.models.classifier import Classifier
from auditkit.percent import plain_percent
from auditkit.statistics import clopper_pearson
from auditkit.types import Bools, Keys, Params

PURPOSE = "frequency"
_LOW, _HIGH, _NOISE = "low-pass", "high-pass", "noise"
_SMALLEST = 4  # pixels per side: fewer hold no frequencies to speak of
_RINGS = (0.0, 0.25, 0.5, 0.75, 1.0)  # edges, shares of Nyquist's limit


@final
@dataclass(frozen=True, kw_only=True)
class Frequency(Check):
    """Accuracy on low and on high spatial frequencies alone, and under noise of one frequency.

    Parameters
    ----------
    low_pass : tuple of float
        Distinct cut-offs, shares of Nyquist's limit in (0, 1): frequencies up to them are kept.
    high_pass : tuple of float
        Distinct cut-offs: frequencies above them are kept, and the mean.
    noise : float
        Root mean square of the noise, as a share of the range, in (0, 1].

    Raises
    ------
    ConfigError
        If a cut-off is not in (0, 1) or named twice, a tuple is empty, or the noise has no size.

    References
    ----------
    Yin et al., 2019, arXiv:1906.08988; Wang et al., 2020, arXiv:1905.13545.
    """

    meta: ClassVar[Meta] = Meta(
        id=PURPOSE,
        family="shift",
        question="Does the model read coarse shapes, or fine detail that people hardly see?",
        explanation=(
            "Every image is split into spatial frequencies. The model reads what is below a"
            " cut-off, which looks blurred, and what is above it, which looks like outlines. Then"
            " waves of one frequency and of the same size are added. Each accuracy is compared with"
            " that on the same images when clean."
        ),
        not_shown=(
            "Whether people could read the filtered images. A filter also makes images unlike those"
            " of the training, so lost accuracy is not all reliance on what was removed."
        ),
        remedy=(
            "Train with blurred and noisy images, or with larger strides and anti-aliased pooling;"
            " adversarial training moves models towards low frequencies."
        ),
        metrics={
            "mean_low_pass_error": Metric(
                label="mean error on low frequencies alone",
                definition="Error averaged over the low-pass cut-offs, of all inputs.",
                unit="share",
                better="lower",
                plain="With fine detail filtered out, {value} of the answers are wrong",
            ),
            "mean_high_pass_error": Metric(
                label="mean error on high frequencies alone",
                definition="Error averaged over the high-pass cut-offs, of all inputs.",
                unit="share",
                better="neither",
            ),
            "accuracy": Metric(
                label="accuracy on some frequencies alone",
                definition=(
                    "Share of all inputs that are classified correctly when only frequencies on one"
                    " side of the cut-off, a share of Nyquist's limit, are left."
                ),
                unit="share",
                better="higher",
            ),
            "accuracy_drop": Metric(
                label="accuracy lost with the other frequencies",
                definition="Accuracy on the clean inputs minus that accuracy.",
                unit="share difference",
                better="lower",
            ),
            "noise_accuracy": Metric(
                label="accuracy under noise of one frequency",
                definition=(
                    "Share of all inputs that are classified correctly with a wave added whose"
                    " frequency is above `from` and at most `to`, shares of Nyquist's limit."
                ),
                unit="share",
                better="higher",
            ),
            "noise_drop": Metric(
                label="accuracy lost to noise of one frequency",
                definition="Accuracy on the clean inputs minus that accuracy.",
                unit="share difference",
                better="lower",
            ),
        },
        headline=f"{PURPOSE}/mean_low_pass_error/all",
        modalities=("image",),
        references=(
            "Yin et al., 2019, arXiv:1906.08988",
            "Wang et al., 2020, arXiv:1905.13545",
        ),
    )
    low_pass: tuple[float, ...] = (0.25, 0.5, 0.75)
    high_pass: tuple[float, ...] = (0.125, 0.25, 0.5)
    noise: float = 0.07

    def __post_init__(self) -> None:
        for name, cutoffs in (("low_pass", self.low_pass), ("high_pass", self.high_pass)):
            require_choice(PURPOSE, name, cutoffs)
            for one in cutoffs:
                if not 0 < one < 1:
                    raise ConfigError(
                        f"{PURPOSE}: {name} names {one}, expected shares in (0, 1).",
                        hint="A cut-off of 1 is Nyquist's limit, half a cycle per pixel.",
                    )
        if not 0 < self.noise <= 1:
            raise ConfigError(
                f"{PURPOSE}: noise is {self.noise}, expected a share of the range in (0, 1].",
                hint="Leave it at 0.07, as in the published heat maps.",
            )

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Only to images of some size."""
        return super().applies(model, data) or _too_small(data)

    def measure(self, artifacts: Artifacts) -> Records:
        """Read one shard through every filter, and under every noise."""
        return records_of(artifacts, self._levels(artifacts.image_model.input_shape), PURPOSE)

    def summarise(self, records: Records, context: Context) -> Measured:
        """Return the mean errors, then accuracy and its drop per cut-off and frequency."""
        findings = [self._mean(kind, records, context) for kind in (_LOW, _HIGH)]
        for level in self._levels(_shape_of(context.data)):
            findings += self._of(level, records, context)
        return Measured(findings=findings, evidence=self._evidence(records, context))

    def _levels(self, shape: tuple[int, int, int]) -> list[Level]:
        """Return the mildest first of every kind; rings without any wave are left out."""
        levels: list[Level] = []
        for kind, keep, side in ((_LOW, low_pass, "up to"), (_HIGH, high_pass, "above")):
            for i, cutoff in enumerate(self._ordered(kind)):
                words = f"frequencies {side} {cutoff:g} of Nyquist's limit"
                levels.append(Level(kind, i + 1, words, _filter(keep, cutoff)))
        for i, (start, end) in enumerate(pairwise(_RINGS)):
            if len(waves(start, end, *shape[1:])):
                words = f"noise of {start:g} to {end:g} of Nyquist's limit"
                levels.append(Level(_NOISE, i + 1, words, _noise(start, end, self.noise)))
        return levels

    def _of(self, level: Level, records: Records, context: Context) -> list[Finding]:
        if level.kind == _NOISE:
            swept: Params = {"from": _RINGS[level.order - 1], "to": _RINGS[level.order]}
            return accuracy_and_drop(
                self, level.column, records, swept=swept, evidence=("noise",),
                metrics=("noise_accuracy", "noise_drop"), level=context.level,
            )  # fmt: skip
        swept = {"frequencies": level.kind, "cutoff": self._ordered(level.kind)[level.order - 1]}
        return accuracy_and_drop(
            self, level.column, records, swept=swept, evidence=("curve",), level=context.level
        )

    def _ordered(self, kind: str) -> list[float]:
        """Return the cut-offs of a kind, the mildest first."""
        return sorted(self.low_pass, reverse=True) if kind == _LOW else sorted(self.high_pass)

    def _mean(self, kind: str, records: Records, context: Context) -> Finding:
        count = len(self.low_pass if kind == _LOW else self.high_pass)
        cells: list[Bools] = [records[f"{kind}-{i + 1}"] for i in range(count)]
        value, interval, method = mean_error(
            cells, seed=context.key(PURPOSE, kind), level=context.level
        )
        return self.value(
            f"mean_{kind.replace('-', '_')}_error", value, n=len(records), interval=interval,
            method=method, evidence=("curve",), level=context.level,
        )  # fmt: skip

    def _evidence(self, records: Records, context: Context) -> dict[str, Evidence]:
        clean = records["correct"]
        cutoffs = [*self.low_pass, *self.high_pass]
        columns = {
            f"{side} frequencies alone": {
                cutoff: records[f"{kind}-{self._ordered(kind).index(cutoff) + 1}"]
                for cutoff in sorted(self._ordered(kind))
            }
            for kind, side in ((_LOW, "low"), (_HIGH, "high"))
        }
        columns["clean"] = {min(cutoffs): clean, max(cutoffs): clean}
        rings = [one for one in self._levels(_shape_of(context.data)) if one.kind == _NOISE]
        return {
            "curve": Curve(
                title="Accuracy on what is below, and on what is above, a cut-off",
                x_label="cut-off, share of Nyquist's limit",
                y_label="accuracy",
                series=[
                    accuracy_series(name, one, level=context.level) for name, one in columns.items()
                ],
            ),
            "noise": Bars(
                title=f"Accuracy under waves of one frequency and {plain_percent(self.noise)} of"
                " the range",
                value_label="accuracy",
                bars=[
                    _bar("none", clean, context.level),
                    *(_bar(_ring(one), records[one.column], context.level) for one in rings),
                ],
            ),
            "reading": Note(title="How to read this", text=_READING),
            **worst_images(records, "Read rightly when clean, wrongly under the mildest change"),
        }


_READING = (
    "Nyquist's limit is half a cycle per pixel: a cut-off of 0.5 leaves what an image of half the"
    " width and height could hold. What is above a cut-off is shown with the mean brightness of the"
    " image. A model of coarse shapes stays right on low frequencies; one that is right on high"
    " frequencies alone reads what people hardly see."
)


def _too_small(data: Dataset) -> NotApplicable | None:
    height, width = _shape_of(data)[1:]
    if min(height, width) >= _SMALLEST:
        return None
    return NotApplicable(f"images of {height} x {width} pixels hold too few frequencies")


def _shape_of(data: Dataset) -> tuple[int, int, int]:
    assert data.input_shape is not None  # the check is about images only
    return data.input_shape


_Change = Callable[[Tensor, Tensor, Keys], Tensor]


def _filter(keep: Callable[[Tensor, float], Tensor], cutoff: float) -> _Change:
    def change(images: Tensor, labels: Tensor, keys: Keys) -> Tensor:  # noqa: ARG001
        return keep(images, cutoff)

    return change


def _noise(low: float, high: float, size: float) -> _Change:
    def change(images: Tensor, labels: Tensor, keys: Keys) -> Tensor:  # noqa: ARG001
        return wave_noise(images, keys, low=low, high=high, size=size)

    return change


def _ring(level: Level) -> str:
    return f"{_RINGS[level.order - 1]:g} to {_RINGS[level.order]:g}"


def _bar(label: str, correct: Bools, level: float) -> Bar:
    low, high = clopper_pearson(int(correct.sum()), len(correct), level=level)
    return Bar(label=label, value=float(correct.mean()), low=low, high=high, n=len(correct))

"""How much accuracy is lost when the same things are seen, taken or sent a little otherwise?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.checks.base import Check, Context, Measured, Meta, Records
from auditkit.checks.parameters import require_choice
from auditkit.checks.shift._graded import (
    accuracy_and_drop,
    accuracy_series,
    mean_error,
    require_severities,
)
from auditkit.checks.shift._levels import Level, records_of, worst_images
from auditkit.data.catalogue import DATA
from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError, near_miss
from auditkit.findings import Curve, Evidence, Finding, Matrix, Metric, Note
from auditkit.methods.corruptions.jpeg_compression import codec
from auditkit.methods.corruptions.severity import SEVERITIES
from auditkit.methods.variation.catalogue import VARIATIONS, Variation
from auditkit.methods.variation.manifold import gan_made, vae_walk
from auditkit.models.builtin.vae import Vae
from auditkit.models.generative import ImageMaker, load_generative, trained_cards
from auditkit.types import Keys

PURPOSE = "natural-variation"
_WALK, _MADE = "vae-walk", "gan-made"
ON_MANIFOLD = {_WALK: "vae", _MADE: "gan"}  # kind: end of the network's name


@final
@dataclass(frozen=True, kw_only=True)
class NaturalVariation(Check):
    """Accuracy under everyday changes of view and camera at five severities.

    Raw inputs are scaled from the model's bounds to [0, 1], changed, and scaled back. An input gets
    the same change in every run of the same seed.

    Parameters
    ----------
    severities : tuple of int
        Distinct severities from 1 to 5.
    kinds : tuple of str
        Distinct names from `auditkit.methods.variation.catalogue.VARIATIONS`.
    on_manifold : bool
        Whether built-in generative networks change and make images too, where one fits the data.

    Raises
    ------
    ConfigError
        If a severity or a kind is unknown or named twice, or a tuple is empty.
    """

    meta: ClassVar[Meta] = Meta(
        id=PURPOSE,
        family="shift",
        question=(
            "How much accuracy is lost when the same things are seen, taken or sent a little"
            " otherwise?"
        ),
        explanation=(
            "Every image is turned, shifted, scaled, cropped, tinted, taken with fewer pixels,"
            " saved again and again, and made noisy, each at growing severities. Where a generative"
            " network that comes along knows this kind of data, it changes images along what it has"
            " learned (vae-walk) and makes new ones of the same class (gan-made). Each accuracy is"
            " compared with that on the same images when clean."
        ),
        not_shown=(
            "Whether a change leaves the class as it was: a 6 that is turned far enough is a 9, and"
            " a cut can remove what matters. The severities are this check's own, not a published"
            " benchmark's. Made images can be of another class than was asked for."
        ),
        remedy=(
            "Train with the changes that cost most and that will occur, and align, resize or"
            " normalise images before they are read."
        ),
        metrics={
            "mean_variation_error": Metric(
                label="mean error under natural variation",
                definition=(
                    "Error averaged over all kinds and severities, of all inputs; images changed or"
                    " made by generative networks are not among them."
                ),
                unit="share",
                better="lower",
                plain="Under everyday changes of the images, {value} of the answers are wrong",
            ),
            "variation_error": Metric(
                label="error under one kind of variation",
                definition="Error averaged over the severities of one kind, of all inputs.",
                unit="share",
                better="lower",
            ),
            "accuracy": Metric(
                label="accuracy under variation",
                definition=(
                    "Share of all inputs that are classified correctly under one kind of change at"
                    " one severity; of made images, as the class that was asked for."
                ),
                unit="share",
                better="higher",
            ),
            "accuracy_drop": Metric(
                label="accuracy lost to variation",
                definition=(
                    "Accuracy on the clean inputs minus accuracy on the same inputs under one kind"
                    " of change at one severity."
                ),
                unit="share difference",
                better="lower",
            ),
        },
        headline=f"{PURPOSE}/mean_variation_error/all",
        modalities=("image",),
        references=(
            "Engstrom et al., 2019, arXiv:1712.02779 (rotations and translations)",
            "Stutz et al., 2019, arXiv:1812.00740 (changes on the manifold of the data)",
        ),
    )
    severities: tuple[int, ...] = SEVERITIES
    kinds: tuple[str, ...] = tuple(VARIATIONS)
    on_manifold: bool = True

    def __post_init__(self) -> None:
        require_severities(PURPOSE, self.severities)
        require_choice(PURPOSE, "kinds", self.kinds)
        for kind in self.kinds:
            if kind not in VARIATIONS:
                raise ConfigError(
                    f"{PURPOSE}: there is no variation {kind!r}.{near_miss(kind, VARIATIONS)}",
                    hint=f"The variations are {', '.join(VARIATIONS)}.",
                )

    def measure(self, artifacts: Artifacts) -> Records:
        """Read one shard under every kind and severity, one after the other."""
        return records_of(artifacts, self._levels(artifacts.data), PURPOSE)

    def summarise(self, records: Records, context: Context) -> Measured:
        """Return the mean errors, then accuracy and its drop per kind and severity."""
        levels = self._levels(context.data)
        kinds = list(dict.fromkeys(one.kind for one in levels))
        findings = [self._mean("mean_variation_error", list(self.kinds), records, context)]
        findings += [self._mean("variation_error", [one], records, context) for one in kinds]
        if self.on_manifold:
            findings += [
                self.undefined(
                    "variation_error", f"not applicable: {_why_not(one)}", n=len(records),
                    swept={"kind": one},
                )
                for one in ON_MANIFOLD
                if one not in kinds
            ]  # fmt: skip
        for level in levels:
            findings += accuracy_and_drop(
                self, level.column, records, evidence=("curve", "matrix"), level=context.level,
                swept={"kind": level.kind, "severity": level.order},
            )  # fmt: skip
        return Measured(findings=findings, evidence=self._evidence(kinds, records, context))

    def _levels(self, data: Dataset) -> list[Level]:
        changes = {kind: _varied(VARIATIONS[kind]) for kind in self.kinds}
        if self.on_manifold:
            changes |= _on_manifold(data)
        return [
            Level(kind, severity, f"{kind}, severity {severity}", _at(change, severity))
            for kind, change in changes.items()
            for severity in self.severities
        ]

    def _mean(self, metric: str, kinds: list[str], records: Records, context: Context) -> Finding:
        cells = [records[f"{kind}-{severity}"] for kind in kinds for severity in self.severities]
        value, interval, method = mean_error(
            cells, seed=context.key(PURPOSE, *kinds), level=context.level
        )
        return self.value(
            metric, value, n=len(records), interval=interval, method=method,
            swept=None if metric == "mean_variation_error" else {"kind": kinds[0]},
            evidence=("curve", "matrix", "reading"), level=context.level,
        )  # fmt: skip

    def _evidence(
        self, kinds: list[str], records: Records, context: Context
    ) -> dict[str, Evidence]:
        ordered = sorted(self.severities)
        columns = {
            kind: {0: records["correct"], **{s: records[f"{kind}-{s}"] for s in ordered}}
            for kind in kinds
        }
        # A chart draws the first few lines only: those that cost most.
        costly = sorted(
            kinds, key=lambda kind: sum(float(one.mean()) for one in columns[kind].values())
        )
        return {
            "curve": Curve(
                title="Accuracy over severity, 0 being the clean images",
                x_label="severity",
                y_label="accuracy",
                series=[
                    accuracy_series(kind, columns[kind], level=context.level) for kind in costly
                ],
            ),
            "matrix": Matrix(
                title="Accuracy per kind and severity",
                row_label="kind",
                column_label="severity",
                rows=kinds,
                columns=[str(severity) for severity in ordered],
                values=[[float(columns[kind][s].mean()) for s in ordered] for kind in kinds],
                unit="share",
            ),
            "reading": Note(title="What the severities are", text=_reading(kinds)),
            **worst_images(records, "Read rightly when clean, wrongly at the lowest severity"),
        }


_Change = Callable[[Tensor, Tensor, int, Keys], Tensor]  # images, labels, severity, keys


def _varied(vary: Variation) -> _Change:
    return lambda images, labels, severity, keys: vary(images, severity, keys)  # noqa: ARG005


def _at(change: _Change, severity: int) -> Callable[[Tensor, Tensor, Keys], Tensor]:
    return lambda images, labels, keys: change(images, labels, severity, keys)


def _on_manifold(data: Dataset) -> dict[str, _Change]:
    """Return the changes of the built-in networks that were taught on the same kind of data."""
    found: dict[str, _Change] = {}
    for kind, ending in ON_MANIFOLD.items():
        for name, card in trained_cards().items():
            known = (card.data, card.input_shape, DATA[card.data].classes)
            if name.endswith(f"-{ending}") and known == (data.name, data.input_shape, data.classes):
                network = load_generative(name)
                found[kind] = _walk(network) if isinstance(network, Vae) else _made(network)
    return found


def _walk(vae: Vae) -> _Change:
    return lambda images, labels, severity, keys: vae_walk(vae, images, severity, keys)  # noqa: ARG005


def _made(gan: ImageMaker) -> _Change:
    return lambda images, labels, severity, keys: gan_made(gan, labels, severity, keys)  # noqa: ARG005


def _why_not(kind: str) -> str:
    return f"no built-in {ON_MANIFOLD[kind].upper()} was taught on these data"


def _reading(kinds: list[str]) -> str:
    sentences = [
        "Rotation: 5 to 30 degrees. Translation: 3 to 20 % of the sides. Scale: 1.1 to 1.75 times"
        " larger or smaller. Crop: 95 to 60 % of each side. Colour cast: channels up to 5 to 35 %"
        " off, on grey images a change of exposure. Resolution: 90 to 35 % of the pixels per side."
        " Compression chain: saved 1 to 9 times. Noise mix: 2 to 10 % of the range. Beyond the rim"
        " its pixels are repeated.",
        f"Images were compressed by {codec()}; another codec can differ.",
    ]
    if _WALK in kinds:
        sentences.append(
            "vae-walk: steps of .5 to 3 posterior standard deviations in the latent space of a"
            " built-in autoencoder; only what the step changes is added to the image."
        )
    if _MADE in kinds:
        sentences.append(
            "gan-made: images of the same class that a built-in generator makes, with .2 to 1 of"
            " the spread it learned with; they are other images, paired by class alone."
        )
    return " ".join(sentences)

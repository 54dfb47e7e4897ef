"""Does attention tell which patches or words the answer depends on?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.attribution._few_usable import few_usable
from auditkit.checks.attribution._probes import key_for
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.galleries import galleries
from auditkit.checks.parameters import require_least
from auditkit.errors import ConfigError, near_miss
from auditkit.findings import (
    Bar,
    Bars,
    Evidence,
    Finding,
    ImageRow,
    Metric,
    Panel,
    Table,
)
from auditkit.methods.metrics.rank_correlation import rank_correlation
from auditkit.methods.pictures import heatmap, picture
from auditkit.methods.saliency.attention_maps import (
    ATTENTION_MAPS,
    TokenView,
    image_view,
    text_view,
)
from auditkit.methods.saliency.exhibits import words
from auditkit.methods.saliency.reference import REFERENCES, Reference, reference_images
from auditkit.methods.saliency.unsuited import Unsuited
from auditkit.percent import percent
from auditkit.randomness import uniform
from auditkit.statistics import bounded_mean
from auditkit.types import Floats, Params, Scalar

ATTENTION = tuple(ATTENTION_MAPS)
LABELS = {  # short enough for a chart
    "gradient-weighted-attention": "weighted",
    "attention-rollout": "rollout",
    "last-attention": "last layer",
    "gradient": "gradient",
    "random": "random scores",
}
MAPS = (*ATTENTION, "gradient", "random")
GAINS = {"gain_over_random": "random", "gain_over_gradient": "gradient"}
PURPOSE = "attention-faithfulness"


@final
@dataclass(frozen=True, kw_only=True)
class AttentionFaithfulness(Check):
    """Maps made of attention, held against what happens when one token goes.

    Each token of an input, a patch or a word, is replaced alone, and the fall of the predicted
    class's score, less the mean score, is what that token is worth. Maps are rated by how they
    order the tokens.

    Parameters
    ----------
    max_inputs : int
        Inputs that are explained, drawn at random from all of them, at least 2.
    reference : {"mean", "low", "middle", "high"}
        Images: what a patch is replaced by, the image's own mean colour or a fixed raw value. In
        texts it is the unknown token.

    Raises
    ------
    ConfigError
        If a parameter lies outside its range.
    """

    meta: ClassVar[Meta] = Meta(
        id=PURPOSE,
        family="attribution",
        version=2,
        question="Does attention tell which patches or words the answer depends on?",
        explanation=(
            "Each patch or word is replaced alone, and the fall of the predicted class's score is"
            " what it is worth. Three maps made of attention (its last layer, rollout over all"
            " layers, and attention weighted by its slopes) are rated by how well they order the"
            " parts by worth, beside the gradient and random scores."
        ),
        not_shown=(
            "Parts that matter together are not found by replacing one at a time. Maps of"
            " attention, but for the weighted kind, know no class and no map of attention has a"
            " sign: parts that speak against the class are ordered only by the size of their"
            " effect, which is reported beside."
        ),
        remedy=(
            "Do not show attention as an explanation where it does not beat the gradient. Use"
            " attention weighted by its slopes, or occlusion, which measures the effect itself."
        ),
        metrics={
            "effect_correlation": Metric(
                label="correlation with effects",
                definition=(
                    "Mean over inputs of the rank correlation between a map and the fall of the"
                    " predicted class's centred score as each token alone is replaced. 0 is"
                    " chance. Inputs whose map or effects are all equal are left out."
                ),
                unit="rank correlation",
                better="higher",
            ),
            "size_correlation": Metric(
                label="correlation with sizes of effects",
                definition=(
                    "The same between the sizes of scores and the sizes of the changes, up or"
                    " down: what a map without sign can know."
                ),
                unit="rank correlation",
                better="higher",
            ),
            "gain_over_random": Metric(
                label="gain over random scores",
                definition=(
                    "Mean over inputs of the correlation with effects, minus that of random scores"
                    " for the same input."
                ),
                unit="rank correlation",
                better="higher",
            ),
            "gain_over_gradient": Metric(
                label="gain over the gradient",
                definition=(
                    "Mean over inputs of the correlation with effects, minus that of the gradient"
                    " times the change of the input, where both are defined."
                ),
                unit="rank correlation",
                better="higher",
            ),
        },
        headline="attention-faithfulness/effect_correlation/all/*",
        modalities=("image", "text"),
        needs_gradients=True,
        references=(
            "Jain and Wallace, 2019, arXiv:1902.10186",
            "Abnar and Zuidema, 2020, arXiv:2005.00928",
            "Chefer et al., 2021, arXiv:2103.15679",
        ),
    )
    max_inputs: int = 64
    reference: Reference = "mean"

    def __post_init__(self) -> None:
        require_least(self, max_inputs=2)
        if self.reference not in REFERENCES:
            raise ConfigError(
                f"{PURPOSE}: reference is {self.reference!r}, expected one of"
                f" {', '.join(REFERENCES)}.{near_miss(self.reference, REFERENCES)}"
            )

    def measure(self, artifacts: Artifacts) -> Records | NotApplicable:
        """Rate the maps of those of the shard's inputs that were drawn; all others are NaN."""
        if reason := artifacts.once((PURPOSE, self), lambda: self._why_not(artifacts)):
            return NotApplicable(reason)
        drawn = artifacts.drawn(PURPOSE, self.max_inputs)
        numbers = {
            f"{metric}/{name}": np.full(len(artifacts), np.nan)
            for metric in ("effect_correlation", "size_correlation")
            for name in MAPS
        }
        reasons = {name: np.full(len(artifacts), "", dtype=object) for name in ATTENTION}
        examples: list[Example] = []
        for i in np.flatnonzero(drawn).tolist():
            view = self._view(artifacts, i)
            if isinstance(view, Unsuited) or len(view.falls) < 2:
                continue  # one token alone has no order
            noise = uniform(key_for(artifacts, PURPOSE, "noise", i), (1, len(view.falls)))[0, 0]
            for name, scores in {**view.maps, "random": noise}.items():
                sizes = rank_correlation(np.abs(scores), np.abs(view.falls))
                numbers[f"effect_correlation/{name}"][i] = rank_correlation(scores, view.falls)
                numbers[f"size_correlation/{name}"][i] = sizes
            for name, reason in view.reasons.items():
                reasons[name][i] = reason
            examples += _example(artifacts, i, view)
        return Records(
            artifacts.ids,
            examples=examples,
            drawn=drawn,
            **numbers,
            **{f"reason/{name}": column.astype(str) for name, column in reasons.items()},
        )

    def summarise(self, records: Records, context: Context) -> Measured:
        """Average over the explained inputs."""
        findings = [
            self._of_map(records, context, metric, name)
            for metric in self.meta.metrics
            for name in MAPS
            if name in ATTENTION or (name == "gradient" and metric != "gain_over_gradient")
        ]
        return Measured(findings=findings, evidence=self._evidence(records, context))

    def _why_not(self, artifacts: Artifacts) -> str:
        """Return why no map is to be had of this model, as one input of the sample tells."""
        sample = artifacts.sample(PURPOSE, 1)
        view = self._view(sample, 0)
        return view.reason if isinstance(view, Unsuited) else ""

    def _view(self, artifacts: Artifacts, i: int) -> TokenView | Unsuited:
        target = int(artifacts[Predictions].predicted[i])
        batch_size = artifacts.execution.batch_size
        if artifacts.classifier.modality == "text":
            text = artifacts.texts[i]
            return text_view(artifacts.text_model, text, target, batch_size=batch_size)
        model, image = artifacts.image_model, artifacts.images[i]
        reference = reference_images(image[None], model.bounds, self.reference)[0]
        return image_view(model, image, target, reference=reference, batch_size=batch_size)

    def _of_map(self, records: Records, context: Context, metric: str, name: str) -> Finding:
        values, swept = _values(records, metric, name), Params(method=name)
        n = records.count("drawn")
        if len(values) < max(2, n / 2):
            why = _reason(records, name) or "the map or the effects are equal everywhere"
            return self.undefined(metric, few_usable(len(values), n, why), n=n, swept=swept)
        seed = context.key(PURPOSE, metric, name)
        value, interval, method = bounded_mean(values, seed=seed, level=context.level, low=-1.0)
        return self.value(
            metric, value, n=len(values), interval=interval, method=method,
            swept=swept, evidence=["maps", "scores"], level=context.level,
        )  # fmt: skip

    def _evidence(self, records: Records, context: Context) -> dict[str, Evidence]:
        bars = [_bar(records, context, name) for name in MAPS]
        evidence: dict[str, Evidence] = {
            "maps": Bars(
                title="How well each map orders parts by their effect",
                value_label="mean rank correlation",
                bars=bars,
            ),
            "scores": self._table(records),
        }
        return evidence | galleries(records, {"random": "Maps of inputs drawn at random"})

    def _table(self, records: Records) -> Table:
        metrics = ("effect_correlation", "size_correlation")
        rows: list[list[Scalar]] = [
            [_label(name), *(_mean(_values(records, metric, name)) for metric in metrics)]
            for name in MAPS
        ]
        labels = [self.meta.metrics[metric].label for metric in metrics]
        return Table(title="Attention beside other maps", columns=["map", *labels], rows=rows)


def _bar(records: Records, context: Context, name: str) -> Bar:
    values = _values(records, "effect_correlation", name)
    if len(values) < 2:
        return Bar(label=LABELS[name], value=None, n=len(values))
    seed = context.key(PURPOSE, "effect_correlation", name)
    mean, (low, high), _ = bounded_mean(values, seed=seed, level=context.level, low=-1.0)
    return Bar(label=LABELS[name], value=mean, low=low, high=high, n=len(values))


def _values(records: Records, metric: str, name: str) -> Floats:
    """Return the numbers of the inputs on which the metric of a map is defined."""
    if metric in GAINS:
        column = records[f"effect_correlation/{name}"]
        values = column - records[f"effect_correlation/{GAINS[metric]}"]
    else:
        values = records[f"{metric}/{name}"]
    return values[np.isfinite(values)]


def _reason(records: Records, name: str) -> str:
    if name not in ATTENTION:
        return ""
    return next((str(one) for one in records[f"reason/{name}"] if one), "")


def _label(name: str) -> str:
    return "random scores (no model)" if name == "random" else words(name)


def _mean(values: Floats) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None


def _example(artifacts: Artifacts, i: int, view: TokenView) -> Sequence[Example]:
    """Return a row of the gallery: an image, what each patch is worth, and what maps say."""
    if len(view.shape) != 2:
        return []
    image, bounds = artifacts.images[i], artifacts.image_model.bounds
    shown: Mapping[str, Floats] = {"effect": view.falls, **view.maps}
    panels: list[Panel] = [picture(image, bounds, "input")]
    panels += [
        heatmap(
            torch.from_numpy(scores.reshape(view.shape)),
            words(name),
            signed=name not in ATTENTION,
        )
        for name, scores in shown.items()
    ]
    clean = artifacts[Predictions]
    predicted = artifacts.classifier.classes[int(clean.predicted[i])]
    caption = f"Explained: {predicted} ({percent(float(clean.confidence[i]), 0)})."
    luck = float(uniform(key_for(artifacts, PURPOSE, "gallery", i), (1,))[0, 0])
    row = ImageRow(id=artifacts.ids[i], caption=caption, panels=panels)
    return [Example(gallery="random", score=luck, row=row)]

"""Does the model look at the same things as another version of it?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.attribution._drift_texts import word_scores
from auditkit.checks.attribution._probes import key_for, others_of, probe_of
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.galleries import galleries
from auditkit.checks.other_model import MISSING, comparable, hash_of, other_model
from auditkit.checks.parameters import require_least
from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError, near_miss
from auditkit.findings import Finding, ImageRow, Metric, Note, Panel, Selection, TextRow, Token
from auditkit.methods.metrics.localisation import relevance_mass
from auditkit.methods.metrics.rank_correlation import rank_correlation
from auditkit.methods.pictures import heatmap, picture
from auditkit.methods.saliency.catalogue import METHODS, Effort, map_of, why_not
from auditkit.methods.saliency.exhibits import words_row
from auditkit.methods.saliency.probes.base import Map, Probe
from auditkit.methods.saliency.probes.image import ImageProbe
from auditkit.methods.saliency.probes.text import TextProbe
from auditkit.models.classifier import Classifier, has_weights, randomised
from auditkit.plurals import count
from auditkit.randomness import uniform
from auditkit.statistics import bounded_mean
from auditkit.types import Bools, Floats, Params

CHECK = "attribution-regression"
_NUMBERS = ("map_similarity", "random_similarity", "nearby_similarity", "mass", "other_mass")


@final
@dataclass(frozen=True, kw_only=True)
class AttributionRegression(Check):
    """Maps of two models for the inputs that both answer alike.

    Maps are compared cell by cell, word by word, column by column or node by node.

    Parameters
    ----------
    other : str
        The other model: a built-in name, a file, or "package.module:function".
    max_inputs : int
        Inputs, drawn at random from all of them, at least 2.
    method : str
        Of the maps; a model that it cannot be used on gets occlusion, and so does the other one.
    steps : int
        Nodes of integrated gradients, at least 1.
    grid : int
        Images: cells along the longer side, at least 2.

    Raises
    ------
    ConfigError
        If a parameter lies outside its range.
    """

    meta: ClassVar[Meta] = Meta(
        id=CHECK,
        family="attribution",
        version=2,
        question="Does the model look at the same things as another version of it?",
        explanation=(
            "Two models can give the same answers for different reasons. The maps of both are"
            " compared on the inputs that they answer alike. Beside it stand what is no change at"
            " all, the map of an input that differs hardly, and what is nothing in common, the map"
            " of the same network with random weights."
        ),
        not_shown=(
            "Which of the two is right, unless the data says what truly matters. Maps can differ"
            " because networks of different kinds share out what they use together; a map can"
            " mislead in both."
        ),
        remedy=(
            "Look at the inputs whose maps differ most. Where the new model looks beside the point,"
            " run shortcut on it, and compare the training data of the two versions."
        ),
        metrics={
            "map_similarity": Metric(
                label="similarity to the other model's map",
                definition=(
                    "Mean over the inputs that both models answer alike of the rank correlation"
                    " between the scores of their maps."
                ),
                unit="rank correlation",
                better="higher",
            ),
            "nearby_similarity": Metric(
                label="similarity to the map of an input that hardly differs",
                definition=(
                    "The same between this model's map and that of the input with noise of a"
                    " fiftieth of the range (images) or of the spread (tables): about the most that"
                    " can be expected. Not defined for texts and graphs."
                ),
                unit="rank correlation",
                better="higher",
            ),
            "random_similarity": Metric(
                label="similarity to the map of a random model",
                definition=(
                    "The same between this model's map and that of its network with random weights:"
                    " what models have in common that share nothing but the input."
                ),
                unit="rank correlation",
                better="neither",
            ),
            "same_answer_share": Metric(
                label="same answers",
                definition="Share of the drawn inputs that both models give the same class.",
                unit="share",
                better="higher",
            ),
            "relevance_mass_change": Metric(
                label="change of the relevance mass",
                definition=(
                    "Share of this model's absolute scores inside the region that truly matters,"
                    " minus that of the other model, mean over the same inputs."
                ),
                unit="share",
                better="higher",
            ),
        },
        headline="attribution-regression/map_similarity/all",
        references=("Geirhos et al., 2020, arXiv:2004.07780",),
    )
    other: str = ""
    max_inputs: int = 64
    method: str = "integrated-gradients"
    steps: int = 32
    grid: int = 8

    def __post_init__(self) -> None:
        require_least(self, max_inputs=2, steps=1, grid=2)
        if self.method not in METHODS:
            raise ConfigError(
                f"{CHECK}: there is no method {self.method!r}, expected one of"
                f" {', '.join(METHODS)}.{near_miss(self.method, METHODS)}"
            )

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Where a second model is named, which is loaded now: a mistyped name is an error."""
        obstacle = super().applies(model, data)
        if obstacle is None and not self.other:
            return NotApplicable(MISSING)
        if obstacle is None:
            comparable(CHECK, self.other, model)
        return obstacle

    def parameters(self) -> Params:
        """Return the parameters, with the hash of the other model."""
        return super().parameters() | hash_of(self.other)

    def measure(self, artifacts: Artifacts) -> Records:
        """Explain those of the shard's drawn inputs that both models answer alike."""
        other = comparable(CHECK, self.other, artifacts.classifier)
        drawn = artifacts.drawn(CHECK, self.max_inputs)
        rows = np.flatnonzero(drawn)
        numbers = {name: np.full(len(artifacts), np.nan) for name in _NUMBERS}
        alike = np.zeros(len(artifacts), dtype=np.bool_)
        examples: list[Example] = []
        if len(rows):
            theirs = Artifacts(
                other,
                artifacts.data,
                artifacts.positions[rows],
                seed=artifacts.seed,
                execution=artifacts.execution,
            )
            mine = artifacts[Predictions].predicted[torch.from_numpy(rows)]
            alike[rows] = (mine == theirs[Predictions].predicted).numpy()
            truth = artifacts.data.relevance(artifacts.positions[rows])
            for k, i in enumerate(rows.tolist()):
                if alike[i]:
                    pair = _Pair(self, artifacts, i, theirs, k)
                    relevant = None if truth is None else pair.mine.relevant(truth[k])
                    for name, value in pair.numbers(relevant).items():
                        numbers[name][i] = value
                    examples += pair.examples(float(numbers["map_similarity"][i]))
        return Records(
            artifacts.ids,
            examples=examples,
            drawn=drawn,
            alike=alike,
            method=np.full(len(artifacts), self.used(artifacts.classifier, other)),
            **numbers,
        )

    def used(self, model: Classifier, other: Classifier) -> str:
        """Return the method that suits both models."""
        fits = all(why_not(self.method, one) is None for one in (model, other))
        return self.method if fits else "occlusion"

    def summarise(self, records: Records, context: Context) -> Measured:
        """Average over the inputs that both answer alike."""
        titles: dict[Selection, str] = {
            "worst": "Inputs whose maps differ most, answered alike",
            "random": "Inputs drawn at random, answered alike",
        }
        evidence = galleries(records, titles)
        identity = other_model(self.other).identity
        said = (
            f"{identity.name} ({identity.architecture}), SHA-256 {identity.sha256}."
            f" Maps of both by {records['method'][0]}."
        )
        evidence["other"] = Note(title="The other model", text=said)
        n, shown = records.count("drawn"), list(evidence)
        kept = records.count("alike")
        same = self.share("same_answer_share", kept, n=n, evidence=["other"], level=context.level)
        change = records["mass"] - records["other_mass"]
        values = {
            "map_similarity": records["map_similarity"],
            "nearby_similarity": records["nearby_similarity"],
            "random_similarity": records["random_similarity"],
            "relevance_mass_change": change,
        }
        findings = [
            self._mean(metric, column, kept, shown, context)
            for metric, column in values.items()
            if metric != "relevance_mass_change" or np.isfinite(change).any()
        ]
        return Measured(findings=[*findings, same], evidence=evidence)

    def _mean(
        self, metric: str, column: Floats, kept: int, shown: Sequence[str], context: Context
    ) -> Finding:
        known = column[np.isfinite(column)]
        if len(known) < 2:
            why = (
                f"only {len(known)} of the {count(kept, 'input')} that both answer alike can be"
                " used, and a spread needs two"
            )
            return self.undefined(metric, why, n=kept)
        value, interval, method = bounded_mean(
            known, seed=context.key(CHECK, metric), level=context.level, low=-1.0
        )
        return self.value(
            metric,
            value,
            n=len(known),
            interval=interval,
            method=method,
            evidence=shown,
            level=context.level,
        )


@final
class _Pair:
    """One input with the maps of two models."""

    def __init__(
        self, check: AttributionRegression, artifacts: Artifacts, i: int, theirs: Artifacts, k: int
    ) -> None:
        self.artifacts, self.i = artifacts, i
        self.method = check.used(artifacts.classifier, theirs.classifier)
        self.key, self.steps = key_for(artifacts, CHECK, "method", i), check.steps
        self.mine = probe_of(artifacts, i, grid=check.grid)
        self.theirs = probe_of(theirs, k, grid=check.grid)
        self.make = lambda: probe_of(artifacts, i, grid=check.grid)
        self.maps = (self._map(self.mine), self._map(self.theirs, theirs))

    def _map(self, probe: Probe, seen_by: Artifacts | None = None) -> Map:
        """Return the map of a probe of this model, unless the other one's inputs are given."""
        others = self.method == "expected-gradients"
        references = others_of(seen_by or self.artifacts, CHECK) if others else None
        effort = Effort(steps=self.steps, copies=16, sets=200, key=self.key, references=references)
        return map_of(probe, self.method, effort)

    def numbers(self, relevant: Bools | None) -> Mapping[str, float]:
        """Return what is recorded of the input."""
        first, second = self.maps
        found = {"map_similarity": self._alike(self.theirs, second)}
        for near in self.mine.near(key_for(self.artifacts, CHECK, "near", self.i), 1):
            found["nearby_similarity"] = self._alike(near, self._map(near))
        model, key = self.artifacts.classifier, key_for(self.artifacts, CHECK, "weights", self.i)
        if has_weights(model):
            with randomised(model.module, int(key[0])):
                twin = self.make()  # a probe remembers embeddings of the weights it met
                found["random_similarity"] = self._alike(twin, self._map(twin))
        if relevant is not None and not isinstance(self.mine, TextProbe):
            found["mass"] = relevance_mass(first.scores, relevant)
            found["other_mass"] = relevance_mass(second.scores, relevant)
        return found

    def _alike(self, probe: Probe, found: Map) -> float:
        """Return the rank correlation of another map with this model's, part by part."""
        first, second = (
            _by_part(one, scores) for one, scores in ((self.mine, self.maps[0]), (probe, found))
        )
        both = np.isfinite(first) & np.isfinite(second)
        if both.sum() < 2:
            return float("nan")
        return rank_correlation(first[both], second[both])

    def examples(self, similarity: float) -> list[Example]:
        """Return the row that may be shown, for both galleries."""
        row = self._row(similarity)
        luck = float(uniform(key_for(self.artifacts, CHECK, "gallery", self.i), (1,))[0, 0])
        shown = [Example(gallery="random", score=luck, row=row)]
        if np.isfinite(similarity):
            shown.append(Example(gallery="worst", score=-similarity, row=row))
        return shown

    def _row(self, similarity: float) -> ImageRow | TextRow:
        row_id = self.artifacts.ids[self.i]
        predicted = self.artifacts.classifier.classes[self.mine.target]
        caption = f"Both answer {predicted}. Rank correlation {similarity:.2f}."
        if isinstance(self.mine, ImageProbe):
            panels: list[Panel] = [picture(self.mine.image, self.mine.model.bounds, "input")]
            for label, one in zip(("this model", "the other model"), self.maps, strict=True):
                panels.append(heatmap(torch.from_numpy(one.scores), label, signed=one.signed))
            return ImageRow(id=row_id, caption=caption, panels=panels)
        tokens: list[Token] = []
        both = zip(
            ("This model: ", " The other: "), (self.mine, self.theirs), self.maps, strict=True
        )
        for label, probe, one in both:
            tokens += [Token(text=label), *words_row("", "", probe, one, None).tokens]
        return TextRow(id=row_id, caption=caption, tokens=tokens)


_WORD = re.compile(r"\w+")


def _by_part(probe: Probe, found: Map) -> Floats:
    """Return the score of each part; of a text by words, since models cut it differently."""
    if isinstance(probe, TextProbe):
        spans = [one.span() for one in _WORD.finditer(probe.text)]
        return word_scores(probe, found.scores, spans) if probe.units else np.zeros(0)
    return probe.per_unit(found.scores)

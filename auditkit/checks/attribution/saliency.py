"""What does the model look at, and do the maps that say so reflect the model?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.attribution._saliency_summary import (
    CHANCE,
    CONTROLS,
    CURVES,
    QUANTITIES,
    Summary,
)
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.drawn import drawn
from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError, near_miss
from auditkit.findings import (
    Metric,
)
from auditkit.methods.metrics.deletion import area_under, deletion_order, removals
from auditkit.methods.metrics.localisation import relevance_mass, relevance_rank_accuracy
from auditkit.methods.metrics.rank_correlation import rank_correlation
from auditkit.methods.saliency.exhibits import image_row, text_row, words
from auditkit.methods.saliency.probes import (
    METHODS,
    ImageProbe,
    Map,
    Probe,
    TextProbe,
)
from auditkit.methods.saliency.reference import REFERENCES, Reference, reference_images
from auditkit.models.classifier import Classifier, randomised
from auditkit.randomness import keys_of, uniform
from auditkit.types import Bools, Floats, Keys

RANDOM_ORDERS = 4


@final
@dataclass(frozen=True, kw_only=True)
class Saliency(Check):
    """Attribution maps of the predicted class, held against maps that know nothing.

    Every input is judged alone: its own batch, its own random draws and its own copy of the model
    with random weights, so that the intervals over inputs cover the luck of those draws too.

    Parameters
    ----------
    max_inputs : int
        Inputs that are explained, drawn at random from all of them, at least 2.
    methods : tuple of {"integrated-gradients", "occlusion", "gradient"}
        Maps to make. A model without gradients gets occlusion alone.
    steps : int
        Nodes of integrated gradients, at least 1.
    grid : int
        Images: cells along the longer side, at least 2. Cells are removed as a whole, and maps are
        compared cell by cell. Texts are cut into tokens.
    reference : {"mean", "low", "middle", "high"}
        Images: what stands in for removed cells and where integrated gradients start. The image's
        own mean colour, or a fixed raw value: pixels of that value then score zero whatever the
        weights are, so that maps of images with a plain background look alike for all models. In
        texts it is the unknown token.
    deletion_steps : int
        Points of a deletion curve, at least 2.

    Raises
    ------
    ConfigError
        If a parameter lies outside its range.
    """

    meta: ClassVar[Meta] = Meta(
        id="saliency",
        family="attribution",
        question="What does the model look at, and do the maps that say so reflect the model?",
        explanation=(
            "Integrated gradients, occlusion and the gradient score the parts of an input for the"
            " predicted class. A map is faithful when removing the parts it ranks highest lowers"
            " the predicted probability faster than removing parts at random, and putting them back"
            " raises it faster. A map reflects the"
            " model when it changes once all weights are replaced by random ones. Where the data"
            " says which parts truly matter, the maps are held against that."
        ),
        not_shown=(
            "A faithful map shows what this model reacts to, not what it should react to, and not"
            " how parts work together. Inputs with parts removed are unlike any real input. A map"
            " that depends on the weights can still mislead."
        ),
        remedy=(
            "Do not show maps of a method that fails its controls. Compare with another reference"
            " or with occlusion. Where a faithful map avoids the parts that matter, look for a"
            " shortcut in the training data and test it by changing that part of the input."
        ),
        metrics={
            "deletion_gain": Metric(
                label="deletion gain",
                definition=(
                    "Mean over inputs of the area under the curve of the predicted class's"
                    " probability as parts are removed in random order, minus that area when the"
                    " highest scores are removed first. 0 is chance; inputs whose map is zero"
                    " everywhere are left out."
                ),
                unit="probability",
                better="higher",
            ),
            "insertion_gain": Metric(
                label="insertion gain",
                definition=(
                    "Mean over inputs of the area under the curve of the predicted class's"
                    " probability as parts are put back with the highest scores first, minus that"
                    " area when they are put back in random order. 0 is chance; inputs whose map"
                    " is zero everywhere are left out."
                ),
                unit="probability",
                better="higher",
            ),
            "randomisation_similarity": Metric(
                label="similarity to the map of a random model",
                definition=(
                    "Mean over inputs of the rank correlation between the sizes of the scores of"
                    " this model and of the same network with random weights. 1 means that the map"
                    " ignores the weights."
                ),
                unit="rank correlation",
                better="lower",
            ),
            "completeness_error": Metric(
                label="completeness error",
                definition=(
                    "Median over inputs of |sum of scores - change of the class score from the"
                    " reference| / |change|, for methods that promise 0. Inputs on which the score"
                    " changes by less than 0.01 are left out."
                ),
                unit="share of the change",
                better="lower",
            ),
            "relevance_mass": Metric(
                label="relevance mass",
                definition=(
                    "Mean over inputs of the share of absolute scores inside the region that truly"
                    " matters. By chance it is the region's share of the image."
                ),
                unit="share",
                better="higher",
            ),
            "relevance_rank_accuracy": Metric(
                label="relevance rank accuracy",
                definition=(
                    "Mean over inputs of the share of the region that truly matters among as many"
                    " of the highest absolute scores. By chance it is the region's share."
                ),
                unit="share",
                better="higher",
            ),
            "relevance_gain": Metric(
                label="relevance gain over chance",
                definition="Relevance rank accuracy minus the region's share, mean over inputs.",
                unit="share",
                better="higher",
            ),
            "rationale_hit_rate": Metric(
                label="rationale hit rate",
                definition=(
                    "Share of texts whose highest scoring token lies in the rationale, of texts"
                    " with a rationale that leaves out at least one token."
                ),
                unit="share",
                better="higher",
            ),
            "rationale_gain": Metric(
                label="rationale gain over chance",
                definition=(
                    "Rationale hit rate minus that of a token drawn at random, on the same texts."
                ),
                unit="share",
                better="higher",
            ),
        },
        headline="saliency/deletion_gain/all/*",
        modalities=("image", "text"),
        references=(
            "Simonyan et al., 2014, arXiv:1312.6034",
            "Zeiler and Fergus, 2014, arXiv:1311.2901",
            "Sundararajan et al., 2017, arXiv:1703.01365",
            "Samek et al., 2017, arXiv:1509.06321",
            "Adebayo et al., 2018, arXiv:1810.03292",
            "DeYoung et al., 2020, arXiv:1911.03429",
            "Arras et al., 2022, arXiv:2003.07258",
        ),
    )
    max_inputs: int = 64
    methods: tuple[str, ...] = METHODS
    steps: int = 32
    grid: int = 8
    reference: Reference = "mean"
    deletion_steps: int = 10

    def __post_init__(self) -> None:
        for name, least in (("max_inputs", 2), ("steps", 1), ("grid", 2), ("deletion_steps", 2)):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"saliency: {name} is {getattr(self, name)}, expected at least {least}."
                )
        if self.reference not in REFERENCES:
            raise ConfigError(
                f"saliency: reference is {self.reference!r}, expected one of"
                f" {', '.join(REFERENCES)}.{near_miss(self.reference, REFERENCES)}"
            )
        if not self.methods or len(set(self.methods)) < len(self.methods):
            raise ConfigError(f"saliency: methods is {self.methods}, expected one or more, once.")
        for method in self.methods:
            if method not in METHODS:
                raise ConfigError(
                    f"saliency: there is no method {method!r}, expected some of"
                    f" {', '.join(METHODS)}.{near_miss(method, METHODS)}"
                )

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Return why there is nothing to measure: only occlusion works without gradients."""
        if not self._usable_methods(model):
            return NotApplicable("its methods need gradients, and this model has none")
        return super().applies(model, data)

    def measure(self, artifacts: Artifacts) -> Records:
        """Explain those of the shard's inputs that were drawn; all others are NaN."""
        methods = self._usable_methods(artifacts.classifier)
        chosen = drawn(artifacts, "saliency", self.max_inputs)
        rows = np.flatnonzero(chosen)
        truth = artifacts.data.relevance(artifacts.positions[rows])
        numbers = {name: np.full(len(artifacts), np.nan) for name in self._columns(methods)}
        examples: list[Example] = []
        for place, i in enumerate(rows.tolist()):
            probe = self._probe(artifacts, i)
            if 0 in probe.shape:
                continue  # a text without tokens has nothing to explain
            relevant = None if truth is None else probe.relevant(truth[place])
            maps, found = self._faithfulness(probe, methods, artifacts, i)
            if relevant is not None:
                found |= _agreement(maps, relevant, is_text=isinstance(probe, TextProbe))
            for name, value in found.items():
                numbers[name][i] = value
            shown = {method: maps[method] for method in methods}
            examples += _examples(artifacts, i, probe, shown, relevant, found)
        return Records(
            artifacts.ids,
            examples=examples,
            drawn=chosen,
            truth_known=np.full(len(artifacts), truth is not None),
            **numbers,
        )

    def summarise(self, records: Records, context: Context) -> Measured:
        """Average over the explained inputs."""
        return Summary(self, records, context, steps=self.deletion_steps).measured()

    def _usable_methods(self, model: Classifier) -> tuple[str, ...]:
        return tuple(one for one in self.methods if one == "occlusion" or model.differentiable)

    def _columns(self, methods: Sequence[str]) -> list[str]:
        maps = (*methods, *CONTROLS)
        steps = range(self.deletion_steps + 1)
        return [
            *(f"{quantity}/{one}" for quantity in QUANTITIES for one in maps),
            *(
                f"{curve}/{one}/{step}"
                for curve in CURVES
                for one in (*maps, CHANCE)
                for step in steps
            ),
            "relevant_share",
        ]

    def _probe(self, artifacts: Artifacts, i: int) -> ImageProbe | TextProbe:
        target = int(artifacts[Predictions].predicted[i])
        batch_size = artifacts.execution.batch_size
        if artifacts.classifier.modality == "text":
            return TextProbe(
                model=artifacts.text_model,
                text=artifacts.texts[i],
                target=target,
                steps=self.steps,
                batch_size=batch_size,
            )
        model, image = artifacts.image_model, artifacts.images[i]
        return ImageProbe(
            model=model,
            image=image,
            reference=reference_images(image[None], model.bounds, self.reference)[0],
            target=target,
            side=-(-max(image.shape[1:]) // self.grid),
            steps=self.steps,
            batch_size=batch_size,
        )

    def _faithfulness(
        self, probe: Probe, methods: Sequence[str], artifacts: Artifacts, i: int
    ) -> tuple[dict[str, Map], dict[str, float]]:
        """Return the maps of one input, controls among them, and the numbers of each."""
        noise = uniform(_key(artifacts, "noise", i), (2, *probe.shape))[0]
        maps = _maps(probe, methods, noise[0])
        with randomised(artifacts.classifier.module, int(_key(artifacts, "weights", i)[0])):
            others = _maps(probe, methods, noise[1])
        units = {name: probe.per_unit(one.scores) for name, one in maps.items()}
        count = len(units["random"])
        orders = uniform(_key(artifacts, "orders", i), (RANDOM_ORDERS, count))[0]
        steps, ranks = self.deletion_steps, list(units.values())
        falling = _curves(probe, [*ranks, *orders], steps)
        # Putting back the highest scores first is removing the lowest first, seen from the end.
        rising = _curves(probe, [-one for one in ranks], steps)[:, ::-1]
        chance = falling[len(units) :].mean(axis=0)
        found = _columns("deletion", CHANCE, chance) | _columns("insertion", CHANCE, chance[::-1])
        for (name, scores), fall, rise in zip(units.items(), falling, rising, strict=False):
            if not (np.isfinite(scores).all() and scores.any()):
                continue  # such a map ranks nothing
            other = probe.per_unit(others[name].scores)
            similarity = rank_correlation(np.abs(scores), np.abs(other))
            found |= _columns("deletion", name, fall) | _columns("insertion", name, rise)
            found[f"deletion_gain/{name}"] = float(area_under(chance) - area_under(fall))
            found[f"insertion_gain/{name}"] = float(area_under(rise) - area_under(chance))
            found[f"randomisation_similarity/{name}"] = similarity
            found[f"completeness_error/{name}"] = maps[name].completeness_error
        return maps, found


def _key(artifacts: Artifacts, purpose: str, i: int) -> Keys:
    return keys_of(artifacts.seed, f"saliency {purpose}", artifacts.ids[i : i + 1])


def _maps(probe: Probe, methods: Sequence[str], noise: Floats) -> dict[str, Map]:
    maps = {method: probe.map(method) for method in methods}
    return {
        **maps,
        "modelless": Map(probe.modelless(), signed=False),
        "random": Map(noise, signed=False),
    }


def _curves(probe: Probe, scores: Sequence[Floats], steps: int) -> Floats:
    """Return the probability after each step, highest scores removed first, (maps, steps + 1)."""
    removed = np.stack([removals(deletion_order(one), steps) for one in scores])
    flat = removed.reshape(-1, removed.shape[2])
    return probe.probabilities(flat).reshape(removed.shape[:2])


def _columns(curve: str, name: str, values: Floats) -> dict[str, float]:
    return {f"{curve}/{name}/{step}": float(value) for step, value in enumerate(values)}


def _agreement(maps: Mapping[str, Map], relevant: Bools, *, is_text: bool) -> dict[str, float]:
    """Return how well each map of one input agrees with what truly matters."""
    if relevant.all() or not relevant.any():
        return {}
    found = {"relevant_share": float(relevant.mean())}
    for name, (scores, _, _) in maps.items():
        if not (np.isfinite(scores).all() and scores.any()):
            continue
        if is_text:
            found[f"rationale_hit_rate/{name}"] = float(relevant[scores.argmax()])
        else:
            found[f"relevance_mass/{name}"] = relevance_mass(scores, relevant)
            found[f"relevance_rank_accuracy/{name}"] = relevance_rank_accuracy(scores, relevant)
    return found


def _examples(
    artifacts: Artifacts,
    i: int,
    probe: ImageProbe | TextProbe,
    maps: Mapping[str, Map],
    relevant: Bools | None,
    found: Mapping[str, float],
) -> list[Example]:
    """Return one row for the random gallery and, where its gain is known, for the worst."""
    first = next(iter(maps))
    gain = found.get(f"deletion_gain/{first}")
    row_id, caption = artifacts.ids[i], _caption(artifacts, i, first, gain)
    if isinstance(probe, TextProbe):
        row = text_row(row_id, caption, probe, maps[first], relevant)
    else:
        row = image_row(row_id, caption, probe, maps, relevant)
    luck = float(uniform(_key(artifacts, "gallery", i), (1,))[0, 0])
    examples = [Example(gallery="random", score=luck, row=row)]
    if gain is not None:
        examples.append(Example(gallery="worst", score=-gain, row=row))
    return examples


def _caption(artifacts: Artifacts, i: int, method: str, gain: float | None) -> str:
    clean = artifacts[Predictions]
    predicted = artifacts.classifier.classes[int(clean.predicted[i])]
    label = artifacts.data.classes[int(artifacts.labels[i])]
    known = "undefined, the map is zero everywhere" if gain is None else f"{gain:+.3f}"
    return (
        f"Explained: {predicted} ({float(clean.confidence[i]):.0%}); label: {label}."
        f" Deletion gain of {words(method)}: {known}."
    )

"""What does the model look at, and do the maps that say so reflect the model?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.attribution._probes import probe_of
from auditkit.checks.attribution._trust_summary import (
    CHANCE,
    CONTROLS,
    CURVES,
    QUANTITIES,
    Summary,
)
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError, near_miss
from auditkit.findings import Metric
from auditkit.methods.metrics.deletion import area_under, deletion_order, removals
from auditkit.methods.metrics.localisation import relevance_mass, relevance_rank_accuracy
from auditkit.methods.metrics.rank_correlation import rank_correlation
from auditkit.methods.metrics.set_correlation import set_correlation
from auditkit.methods.saliency.catalogue import DEFAULT, METHODS, Effort, map_of, why_not
from auditkit.methods.saliency.exhibits import image_row, words, words_row
from auditkit.methods.saliency.probes.base import Map, Probe
from auditkit.methods.saliency.probes.image import ImageProbe
from auditkit.methods.saliency.probes.text import TextProbe
from auditkit.methods.saliency.reference import REFERENCES, Reference
from auditkit.models.classifier import Classifier, randomised
from auditkit.randomness import at_step, keys_of, uniform
from auditkit.types import Bools, Floats, Keys

RANDOM_ORDERS = 4
_NEARBY = ("pixels", "columns")  # what maps score where inputs can be changed a little
RANDOM_SETS = 32  # of units that are removed together
_REFERENCES = 8  # inputs of the data that expected gradients start from


@final
@dataclass(frozen=True, kw_only=True)
class AttributionTrust(Check):
    """Attribution maps of the predicted class, held against maps that know nothing.

    Every input is judged alone: its own batch, its own random draws and its own copy of the model
    with random weights, so that the intervals over inputs cover the luck of those draws too.

    Parameters
    ----------
    max_inputs : int
        Inputs that are explained, drawn at random from all of them, at least 2.
    methods : tuple of str
        Maps to make: some of "integrated-gradients", "occlusion", "gradient", "input-x-gradient",
        "smoothgrad", "expected-gradients" (images and tables), "deeplift", "lrp",
        "guided-backprop", "gradcam", "gradcam++", "layercam" and "hirescam" (images),
        "attention-rollout" and "gradient-weighted-attention" (transformers), "kernel-shap", "lime",
        "shapley-sampling" and "rise". A model without gradients gets those that need none.
    steps : int
        Nodes of integrated gradients, at least 1.
    copies : int
        Noisy copies of an input for SmoothGrad, at least 1.
    sets : int
        Random sets of units for KernelSHAP, LIME, Shapley sampling and RISE, at least 2.
    grid : int
        Images: cells along the longer side, at least 2. Cells are removed as a whole, and maps are
        compared cell by cell. Texts are cut into tokens, rows into columns, graphs into nodes.
    reference : {"mean", "low", "middle", "high"}
        Images: what stands in for removed cells and where integrated gradients start. The image's
        own mean colour, or a fixed raw value: pixels of that value then score zero whatever the
        weights are, so that maps of images with a plain background look alike for all models. In
        texts it is the unknown token, in tables the median or most frequent value, in graphs a node
        is taken out.
    deletion_steps : int
        Points of a deletion curve, at least 2.
    neighbours : int
        Noisy copies of an input among which its map may change, at least 1.

    Raises
    ------
    ConfigError
        If a parameter lies outside its range.
    """

    meta: ClassVar[Meta] = Meta(
        id="attribution-trust",
        family="attribution",
        question="What does the model look at, and do the maps that say so reflect the model?",
        explanation=(
            "Attribution methods score the parts of an input for the"
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
            "gain_over_modelless": Metric(
                label="deletion gain over a map without a model",
                definition=(
                    "Deletion gain minus that of a map made from the input alone (edges, token"
                    " length, distance from the usual value, number of edges), mean over inputs."
                    " Not above 0: the map says no more than the input does."
                ),
                unit="probability",
                better="higher",
            ),
            "set_correlation": Metric(
                label="faithfulness correlation",
                definition=(
                    "Mean over inputs of the correlation, over random halves of the parts, between"
                    " the summed scores of the half that is removed and the fall of the class"
                    " score. 0 is chance; 1 where the score is a sum over parts."
                ),
                unit="correlation",
                better="higher",
            ),
            "randomisation_similarity": Metric(
                label="similarity to the map of a random model",
                definition=(
                    "Mean over inputs of the rank correlation between the sizes of the scores of"
                    " this model and of the same network with random weights, over the parts that"
                    " differ from the reference. 1 means that the map ignores the weights."
                ),
                unit="rank correlation",
                better="lower",
            ),
            "max_sensitivity": Metric(
                label="largest change of the map nearby",
                definition=(
                    "Mean over inputs of the largest change of the map, divided by its length,"
                    " among copies of the input with noise of a fiftieth of the range (images) or"
                    " of the spread (tables). Not defined for texts and graphs."
                ),
                unit="share of the map's length",
                better="lower",
            ),
            "seed_similarity": Metric(
                label="similarity to the map of another draw",
                definition=(
                    "Mean over inputs of the rank correlation between the scores of two runs of a"
                    " method that draws at random. 1 means that luck plays no part."
                ),
                unit="rank correlation",
                better="higher",
            ),
            "reference_similarity": Metric(
                label="similarity to the map from another reference",
                definition=(
                    "Mean over inputs of the rank correlation between the scores from two"
                    " references: the image's mean colour (or what `reference` says) and middle"
                    " grey. 1 means that the choice plays no part. Images alone."
                ),
                unit="rank correlation",
                better="higher",
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
            "pointing_hit_rate": Metric(
                label="pointing hit rate",
                definition=(
                    "Share of inputs whose highest absolute score lies inside the region that truly"
                    " matters, of inputs whose region leaves something out."
                ),
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
        headline="attribution-trust/deletion_gain/all/*",
        modalities=("image", "text", "tabular", "graph"),
        references=(
            "Simonyan et al., 2014, arXiv:1312.6034",
            "Zeiler and Fergus, 2014, arXiv:1311.2901",
            "Sundararajan et al., 2017, arXiv:1703.01365",
            "Samek et al., 2017, arXiv:1509.06321",
            "Adebayo et al., 2018, arXiv:1810.03292",
            "DeYoung et al., 2020, arXiv:1911.03429",
            "Arras et al., 2022, arXiv:2003.07258",
            "Bhatt et al., 2020, arXiv:2005.00631",
            "Zhang et al., 2018, arXiv:1608.00507",
            "Yeh et al., 2019, arXiv:1901.09392",
        ),
    )
    max_inputs: int = 64
    methods: tuple[str, ...] = DEFAULT
    steps: int = 32
    copies: int = 16
    sets: int = 200
    grid: int = 8
    reference: Reference = "mean"
    deletion_steps: int = 10
    neighbours: int = 3

    def __post_init__(self) -> None:
        for name, least in (
            ("max_inputs", 2), ("steps", 1), ("copies", 1), ("sets", 2), ("grid", 2),
            ("deletion_steps", 2), ("neighbours", 1),
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise ConfigError(
                    f"attribution-trust: {name} is {getattr(self, name)}, expected at least"
                    f" {least}."
                )
        if self.reference not in REFERENCES:
            raise ConfigError(
                f"attribution-trust: reference is {self.reference!r}, expected one of"
                f" {', '.join(REFERENCES)}.{near_miss(self.reference, REFERENCES)}"
            )
        if not self.methods or len(set(self.methods)) < len(self.methods):
            raise ConfigError(
                f"attribution-trust: methods is {self.methods}, expected one or more, once."
            )
        for method in self.methods:
            if method not in METHODS:
                raise ConfigError(
                    f"attribution-trust: there is no method {method!r}, expected some of"
                    f" {', '.join(METHODS)}.{near_miss(method, METHODS)}"
                )

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Return why there is nothing to measure: no method can be used on the model."""
        if not self._usable_methods(model):
            return NotApplicable(f"none of its methods can be used: {self._left_out(model)}")
        return super().applies(model, data)

    def measure(self, artifacts: Artifacts) -> Records:
        """Explain those of the shard's inputs that were drawn; all others are NaN."""
        methods = self._usable_methods(artifacts.classifier)
        drawn = artifacts.drawn("attribution-trust", self.max_inputs)
        rows = np.flatnonzero(drawn)
        truth = artifacts.data.relevance(artifacts.positions[rows])
        numbers = {name: np.full(len(artifacts), np.nan) for name in self._columns(methods)}
        reasons = {one: np.full(len(artifacts), "", dtype=object) for one in methods}
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
            for method in methods:
                reasons[method][i] = maps[method].unsuited
            shown = {method: maps[method] for method in methods if not maps[method].unsuited}
            examples += _examples(artifacts, i, probe, shown, relevant, found)
        return Records(
            artifacts.ids,
            examples=examples,
            drawn=drawn,
            has_weights=np.full(len(artifacts), _has_weights(artifacts.classifier)),
            truth_known=np.full(len(artifacts), truth is not None),
            **numbers,
            **{f"unsuited/{method}": column.astype(str) for method, column in reasons.items()},
        )

    def summarise(self, records: Records, context: Context) -> Measured:
        """Average over the explained inputs."""
        return Summary(self, records, context, steps=self.deletion_steps).measured()

    def _usable_methods(self, model: Classifier) -> tuple[str, ...]:
        return tuple(one for one in self.methods if why_not(one, model) is None)

    def _left_out(self, model: Classifier) -> str:
        reasons = {one: why_not(one, model) for one in self.methods}
        return "; ".join(f"{words(one)}: {why}" for one, why in reasons.items() if why)

    def _columns(self, methods: Sequence[str]) -> list[str]:
        maps = (*methods, *CONTROLS)
        steps = range(self.deletion_steps + 1)
        pairs = [f"agreement/{a}/{b}" for k, a in enumerate(maps) for b in maps[k + 1 :]]
        return [
            *(f"{quantity}/{one}" for quantity in QUANTITIES for one in maps),
            *(
                f"{curve}/{one}/{step}"
                for curve in CURVES
                for one in (*maps, CHANCE)
                for step in steps
            ),
            *pairs,
            "relevant_share",
        ]

    def _probe(self, artifacts: Artifacts, i: int) -> Probe:
        return probe_of(artifacts, i, grid=self.grid, reference=self.reference)

    def _effort(self, artifacts: Artifacts, i: int, draw: int) -> Effort:
        return Effort(
            steps=self.steps,
            copies=self.copies,
            sets=self.sets,
            key=at_step(_key(artifacts, "method", i), draw),
            references=_references(artifacts) if "expected-gradients" in self.methods else None,
        )

    def _faithfulness(
        self, probe: Probe, methods: Sequence[str], artifacts: Artifacts, i: int
    ) -> tuple[dict[str, Map], dict[str, float]]:
        """Return the maps of one input, controls among them, and the numbers of each."""
        noise = uniform(_key(artifacts, "noise", i), (2, *probe.shape))[0]
        effort, other_effort = (self._effort(artifacts, i, draw) for draw in range(2))
        maps = _maps(probe, methods, effort, noise[0])
        others: dict[str, Map] = {}  # of a model with random weights, where it has any
        if _has_weights(artifacts.classifier):
            with randomised(artifacts.classifier.module, int(_key(artifacts, "weights", i)[0])):
                # A probe remembers embeddings: the random model needs one of its own.
                others = _maps(self._probe(artifacts, i), methods, other_effort, noise[1])
        units = {name: probe.per_unit(one.scores) for name, one in maps.items()}
        there = probe.differs()
        orders = uniform(_key(artifacts, "orders", i), (RANDOM_ORDERS, probe.units))[0]
        steps, ranks = self.deletion_steps, list(units.values())
        falling = _curves(probe, [*ranks, *orders], steps)
        # Putting back the highest scores first is removing the lowest first, seen from the end.
        rising = _curves(probe, [-one for one in ranks], steps)[:, ::-1]
        chance = falling[len(units) :].mean(axis=0)
        found = _columns("deletion", CHANCE, chance) | _columns("insertion", CHANCE, chance[::-1])
        sets = _halves(uniform(_key(artifacts, "sets", i), (RANDOM_SETS, probe.units))[0])
        falls = probe.scores(np.zeros((1, probe.units), dtype=np.bool_)) - probe.scores(sets)
        for (name, scores), fall, rise in zip(units.items(), falling, rising, strict=False):
            if not _ranks(scores):
                continue
            found |= _columns("deletion", name, fall) | _columns("insertion", name, rise)
            found[f"deletion_gain/{name}"] = float(area_under(chance) - area_under(fall))
            found[f"insertion_gain/{name}"] = float(area_under(rise) - area_under(chance))
            found[f"set_correlation/{name}"] = set_correlation(scores, sets, falls)
            if others:
                other = probe.per_unit(others[name].scores)
                similarity = rank_correlation(np.abs(scores)[there], np.abs(other)[there])
                found[f"randomisation_similarity/{name}"] = similarity
            found[f"completeness_error/{name}"] = maps[name].completeness_error
        found |= self._stability(probe, maps, methods, artifacts, i)
        return maps, found | _over_modelless(found) | _alike(units)

    def _stability(
        self,
        probe: Probe,
        maps: Mapping[str, Map],
        methods: Sequence[str],
        artifacts: Artifacts,
        i: int,
    ) -> dict[str, float]:
        """Return how far maps change with the input, the draw and the reference."""
        effort = self._effort(artifacts, i, 0)
        again, other = self._effort(artifacts, i, 2), probe.otherwise()
        shape = tuple(_input(artifacts, i).shape) if probe.places in _NEARBY else (1,)
        draws = uniform(_key(artifacts, "near", i), (self.neighbours, *shape))[0]
        nearby = [one for draw in draws if (one := probe.near(draw)) is not None]
        found: dict[str, float] = {}
        for name in methods:
            scores, method = maps[name].scores, METHODS[name]
            if not _ranks(scores):
                continue
            if nearby:
                moved = [map_of(one, name, effort).scores for one in nearby]
                farthest = max(float(np.linalg.norm(one - scores)) for one in moved)
                found[f"max_sensitivity/{name}"] = farthest / float(np.linalg.norm(scores))
            units = probe.per_unit(scores)
            if method.draws:
                redrawn = probe.per_unit(map_of(probe, name, again).scores)
                found[f"seed_similarity/{name}"] = rank_correlation(units, redrawn)
            if method.reference and other is not None:
                elsewhere = other.per_unit(map_of(other, name, effort).scores)
                found[f"reference_similarity/{name}"] = rank_correlation(units, elsewhere)
        return found


def _key(artifacts: Artifacts, purpose: str, i: int) -> Keys:
    return keys_of(artifacts.seed, f"attribution-trust {purpose}", artifacts.ids[i : i + 1])


def _references(artifacts: Artifacts) -> Tensor | None:
    """Return points of a few inputs of the data, or None where they differ in shape."""
    if artifacts.classifier.modality not in METHODS["expected-gradients"].modalities:
        return None
    some = artifacts.sample("attribution-trust references", _REFERENCES).inputs
    assert isinstance(some, Tensor)
    return (
        artifacts.table_model.encode(some) if artifacts.classifier.modality == "tabular" else some
    )


def _has_weights(model: Classifier) -> bool:
    """Return whether there is anything that can be drawn anew."""
    return any(one.numel() > 0 for one in model.module.parameters())


def _input(artifacts: Artifacts, i: int) -> Tensor:
    one = artifacts.inputs[i]
    assert isinstance(one, Tensor)
    return one


def _maps(probe: Probe, methods: Sequence[str], effort: Effort, noise: Floats) -> dict[str, Map]:
    maps = {method: map_of(probe, method, effort) for method in methods}
    return {
        **maps,
        "modelless": Map(probe.modelless(), signed=False),
        "random": Map(noise, signed=False),
    }


def _halves(draws: Floats) -> Bools:
    """Return sets of half of the units each, (m, u), from draws of that shape."""
    return draws.argsort(axis=1).argsort(axis=1) < draws.shape[1] // 2


def _ranks(scores: Floats) -> bool:
    """Return whether scores order anything."""
    return bool(np.isfinite(scores).all() and scores.any())


def _over_modelless(found: Mapping[str, float]) -> dict[str, float]:
    gains = {name: value for name, value in found.items() if name.startswith("deletion_gain/")}
    plain = gains.get("deletion_gain/modelless", np.nan)
    return {
        name.replace("deletion_gain", "gain_over_modelless"): value - plain
        for name, value in gains.items()
    }


def _alike(units: Mapping[str, Floats]) -> dict[str, float]:
    """Return how alike every two maps of one input order its parts."""
    names = list(units)
    return {
        f"agreement/{a}/{b}": rank_correlation(np.abs(units[a]), np.abs(units[b]))
        for k, a in enumerate(names)
        for b in names[k + 1 :]
        if _ranks(units[a]) and _ranks(units[b])
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
    for name, one in maps.items():
        scores = one.scores
        if not _ranks(scores):
            continue
        if is_text:
            found[f"rationale_hit_rate/{name}"] = float(relevant[scores.argmax()])
        else:
            found[f"relevance_mass/{name}"] = relevance_mass(scores, relevant)
            found[f"relevance_rank_accuracy/{name}"] = relevance_rank_accuracy(scores, relevant)
            found[f"pointing_hit_rate/{name}"] = float(relevant.flat[np.abs(scores).argmax()])
    return found


def _examples(
    artifacts: Artifacts,
    i: int,
    probe: Probe,
    maps: Mapping[str, Map],
    relevant: Bools | None,
    found: Mapping[str, float],
) -> list[Example]:
    """Return one row for the random gallery and, where its gain is known, for the worst."""
    first = next(iter(maps), None)
    if first is None:
        return []
    gain = found.get(f"deletion_gain/{first}")
    row_id, caption = artifacts.ids[i], _caption(artifacts, i, first, gain)
    if isinstance(probe, ImageProbe):
        row = image_row(row_id, caption, probe, maps, relevant)
    else:
        row = words_row(row_id, caption, probe, maps[first], relevant)
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

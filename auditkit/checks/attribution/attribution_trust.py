"""What does the model look at, and do the maps that say so reflect the model?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.checks.attribution._probes import PARTS, Parts, others_of
from auditkit.checks.attribution._trust_cascade import STAGES, cascade
from auditkit.checks.attribution._trust_gallery import examples
from auditkit.checks.attribution._trust_location import location
from auditkit.checks.attribution._trust_maps import (
    CHECK,
    PREFLIGHT,
    Explained,
    controls,
)
from auditkit.checks.attribution._trust_metrics import METRICS
from auditkit.checks.attribution._trust_removal import (
    CHANCE,
    erasure,
    faithfulness,
    ranks,
    road,
)
from auditkit.checks.attribution._trust_stability import alike, dependence, stability
from auditkit.checks.attribution._trust_summary import (
    CURVES,
    QUANTITIES,
    Summary,
)
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.parameters import require_least
from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError, near_miss
from auditkit.methods.saliency.catalogue import DEFAULT, METHODS, Effort, why_not
from auditkit.methods.saliency.exhibits import words
from auditkit.methods.saliency.probes.base import Map, Probe
from auditkit.methods.saliency.probes.text import TextProbe
from auditkit.methods.saliency.reference import REFERENCES, Reference
from auditkit.models.classifier import Classifier, has_weights
from auditkit.types import Bools, Modality


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
        Maps to make: some of "integrated-gradients", "occlusion", "word-occlusion" (texts: all
        tokens of a word at once), "gradient", "input-x-gradient", "smoothgrad",
        "expected-gradients" (images and tables), "deeplift", "lrp", "guided-backprop", "gradcam",
        "gradcam++", "layercam", "hirescam" and "guided-gradcam" (images), "attention-rollout" and
        "gradient-weighted-attention" (transformers), "kernel-shap", "lime", "shapley-sampling" and
        "rise". A model without gradients gets those that need none.
    steps : int
        Nodes of integrated gradients, at least 1.
    copies : int
        Noisy copies of an input for SmoothGrad, at least 1.
    sets : int
        Random sets of units for KernelSHAP, LIME, Shapley sampling and RISE, at least 2.
    grid : int
        Images: cells along the longer side, at least 2. Cells are removed as a whole, and maps are
        compared cell by cell. Texts are cut into tokens, rows into columns, graphs into nodes.
    parts : {"cells", "superpixels"}
        Images: what they are cut into. Superpixels follow the image's own edges; about as many are
        made as there would be cells.
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
    costly_inputs : int
        Inputs, spread evenly over those that are explained, with the measures that cost most: ROAD
        and cascading randomisation. 0 leaves these out.

    Raises
    ------
    ConfigError
        If a parameter lies outside its range.
    """

    meta: ClassVar[Meta] = Meta(
        id=CHECK,
        family="attribution",
        question="What does the model look at, and do the maps that say so reflect the model?",
        explanation=(
            "Attribution methods score the parts of an input for the"
            " predicted class. A map is faithful when removing the parts it ranks highest lowers"
            " the predicted probability faster than removing parts at random, and putting them back"
            " raises it faster; in images also where removed pixels are guessed from their"
            " surroundings (ROAD). A map reflects the model when it changes once weights are"
            " replaced by random ones, all at once or layer by layer. Where the data"
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
        metrics=METRICS,
        headline="attribution-trust/deletion_gain/all/*",
        version=4,
        controlled_by=(PREFLIGHT,),
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
            "Agarwal et al., 2022, arXiv:2203.06877",
            "Rong et al., 2022, arXiv:2202.00449",
        ),
    )
    max_inputs: int = 64
    methods: tuple[str, ...] = DEFAULT
    steps: int = 32
    copies: int = 16
    sets: int = 200
    grid: int = 8
    parts: Parts = "cells"
    reference: Reference = "mean"
    deletion_steps: int = 10
    neighbours: int = 2
    costly_inputs: int = 8

    def __post_init__(self) -> None:
        require_least(
            self,
            max_inputs=2,
            steps=1,
            copies=1,
            sets=2,
            grid=2,
            deletion_steps=2,
            neighbours=1,
            costly_inputs=0,
        )
        if self.reference not in REFERENCES:
            raise ConfigError(
                f"attribution-trust: reference is {self.reference!r}, expected one of"
                f" {', '.join(REFERENCES)}.{near_miss(self.reference, REFERENCES)}"
            )
        if self.parts not in PARTS:
            raise ConfigError(
                f"attribution-trust: parts is {self.parts!r}, expected one of {', '.join(PARTS)}."
                f"{near_miss(self.parts, PARTS)}"
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

    def answers(self, n: int) -> float:
        """Return about what maps and the questions about them take, the methods all alike."""
        return 200 * len(self.methods) * min(n, self.max_inputs)

    def measure(self, artifacts: Artifacts) -> Records:
        """Explain those of the shard's inputs that were drawn; all others are NaN."""
        methods = self._usable_methods(artifacts.classifier)
        drawn = artifacts.drawn(CHECK, self.max_inputs)
        costly = self._costly(artifacts)
        rows = np.flatnonzero(drawn)
        truth = artifacts.data.relevance(artifacts.positions[rows])
        numbers = {
            name: np.full(len(artifacts), np.nan)
            for name in self._columns(methods, artifacts.classifier.modality)
        }
        reasons = {one: np.full(len(artifacts), "", dtype=object) for one in methods}
        rows_shown: list[Example] = []
        for place, i in enumerate(rows.tolist()):
            one = self._explained(artifacts, i, methods)
            probe = one.probe()
            if 0 in probe.shape:
                continue  # a text without tokens has nothing to explain
            relevant = None if truth is None else probe.relevant(truth[place])
            maps, found = self._numbers(one, probe, costly=bool(costly[i]))
            if relevant is not None:
                found |= location(maps, relevant, is_text=isinstance(probe, TextProbe))
            for name, value in found.items():
                numbers[name][i] = value
            for method in methods:
                reasons[method][i] = maps[method].unsuited
            shown = {method: maps[method] for method in methods if not maps[method].unsuited}
            rows_shown += examples(one, probe, shown, relevant, found)
        return Records(
            artifacts.ids,
            examples=rows_shown,
            drawn=drawn,
            costly=costly,
            has_weights=np.full(len(artifacts), has_weights(artifacts.classifier)),
            truth_known=np.full(len(artifacts), truth is not None),
            **numbers,
            **{f"unsuited/{method}": column.astype(str) for method, column in reasons.items()},
        )

    def summarise(self, records: Records, context: Context) -> Measured:
        """Average over the explained inputs."""
        return Summary(self, records, context, steps=self.deletion_steps).measured()

    def _costly(self, artifacts: Artifacts) -> Bools:
        """Return which inputs of the shard (n,) have the measures that cost most.

        One is drawn from each of as many stretches of the explained inputs, so that shards of one
        size have equal work.
        """
        explained = artifacts.sample(CHECK, self.max_inputs)
        keys, count = explained.keys(CHECK), min(self.costly_inputs, len(explained))
        stretches = np.array_split(np.arange(len(explained)), count) if count else []
        chosen = [explained.positions[part[keys[part].argmin()]] for part in stretches]
        return np.isin(artifacts.positions, chosen)

    def _usable_methods(self, model: Classifier) -> tuple[str, ...]:
        return tuple(one for one in self.methods if why_not(one, model) is None)

    def _left_out(self, model: Classifier) -> str:
        reasons = {one: why_not(one, model) for one in self.methods}
        return "; ".join(f"{words(one)}: {why}" for one, why in reasons.items() if why)

    def _columns(self, methods: Sequence[str], modality: Modality) -> list[str]:
        maps = (*methods, *controls(modality))
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
            *(f"cascade/{one}/{stage}" for one in maps for stage in range(STAGES + 1)),
            *pairs,
            "relevant_share",
        ]

    def _explained(self, artifacts: Artifacts, i: int, methods: tuple[str, ...]) -> Explained:
        effort = Effort(
            steps=self.steps,
            copies=self.copies,
            sets=self.sets,
            key=artifacts.keys(CHECK)[i : i + 1],
            references=others_of(artifacts, CHECK) if "expected-gradients" in methods else None,
        )
        return Explained(
            artifacts=artifacts, i=i, methods=methods, effort=effort,
            grid=self.grid, reference=self.reference, parts=self.parts,
        )  # fmt: skip

    def _numbers(
        self, one: Explained, probe: Probe, *, costly: bool
    ) -> tuple[dict[str, Map], dict[str, float]]:
        """Return the maps of one input, controls among them, and the numbers of each."""
        maps = one.maps(probe)
        others = one.maps_of_random_model() if has_weights(one.artifacts.classifier) else {}
        units = {name: probe.per_unit(found.scores) for name, found in maps.items()}
        numbers = {
            f"completeness_error/{name}": found.completeness_error
            for name, found in maps.items()
            if ranks(units[name])
        }
        numbers |= faithfulness(one, probe, units, steps=self.deletion_steps)
        numbers |= dependence(probe, units, others)
        numbers |= stability(one, probe, maps, neighbours=self.neighbours)
        if isinstance(probe, TextProbe):
            numbers |= erasure(probe, units)
        if costly:
            numbers |= road(one, probe, units, steps=self.deletion_steps)
            numbers |= cascade(one, probe, units, others) if others else {}
        return maps, numbers | alike(units)

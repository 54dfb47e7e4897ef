"""Which prepared concepts move the output?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.attribution._concept_rows import example
from auditkit.checks.attribution._concept_summary import (
    CLASSES,
    TOLD,
    Summary,
)
from auditkit.checks.attribution._concept_trials import Trials, tried
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.parameters import require_least
from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError
from auditkit.findings import Finding, Metric
from auditkit.methods.concepts.images import IMAGE_CONCEPTS
from auditkit.methods.concepts.texts import TEXT_CONCEPTS
from auditkit.models.classifier import Classifier
from auditkit.statistics import bounded_mean
from auditkit.types import Floats, Params

PURPOSE = "concepts"
_PAIRS = 4  # that a vector is learnt from, at least


@final
@dataclass(frozen=True, kw_only=True)
class Concepts(Check):
    """Concepts put into the data's own inputs, and the directions that they take inside.

    Parameters
    ----------
    max_inputs : int
        Inputs that concepts are put into, drawn at random from all of them, at least 16.
    repeats : int
        Vectors per concept, each learnt on inputs of its own, at least 4.
    vectors : int
        Random vectors beside them, at least 10.

    Raises
    ------
    ConfigError
        If a parameter lies outside its range.
    """

    meta: ClassVar[Meta] = Meta(
        id=PURPOSE,
        family="attribution",
        version=3,
        question="Which prepared concepts move the output?",
        explanation=(
            "A concept is put into each input: a tint, light, a texture or a disc into images; a"
            " word of praise or blame, a negation or an identity term into texts. How far the"
            " predicted probabilities move is held against a like change without the concept (a"
            " random colour or grey, random pixels, scattered pixels; a random word that occurs"
            " about as often). Besides, TCAV: in one layer the direction from inputs without the"
            " concept to the same with it is learnt, and whether the class's score rises along it"
            " is held against directions between random sets of inputs."
        ),
        not_shown=(
            "TCAV alone nominates: a direction may stand for something that goes along with the"
            " concept. What can be trusted is the change of the output when the concept is put in,"
            " and that holds for these drawn patterns and these words alone, at this strength;"
            " inputs with them are unlike real ones. That a concept moves nothing here does not"
            " show that the model has not learnt it. Whether a concept should move the output is"
            " not for the check to say: praise should move a judge of opinions, an identity term"
            " should not."
        ),
        remedy=(
            "Where a concept moves the output that should not, add inputs with it to the training"
            " data of every class (tints, textures, identity terms), and measure again."
        ),
        metrics={
            "movement": Metric(
                label="movement of the output",
                definition=(
                    "Mean over inputs of the share of probability that changes its class when the"
                    " concept is put in: half the summed changes of all classes."
                ),
                unit="share",
                better="neither",
            ),
            "movement_over_random": Metric(
                label="movement beyond that of a like change",
                definition=(
                    "The same minus the movement by a like change without the concept (a random"
                    " colour or grey, random or scattered pixels, a random word), on the same"
                    " inputs. Above 0: the model reacts to what is put in, not only to a change."
                ),
                unit="share",
                better="lower",
            ),
            "effect": Metric(
                label="effect on a class",
                definition=(
                    "Mean over inputs of the change of the class's probability when the concept is"
                    " put in."
                ),
                unit="probability",
                better="neither",
            ),
            "concept_accuracy": Metric(
                label="concept told in the layer",
                definition=(
                    "Share of inputs that, with the concept put in, move along a direction that was"
                    " learnt on other inputs; mean over directions. Chance is a half."
                ),
                unit="share",
                better="neither",
            ),
            "tcav": Metric(
                label="TCAV score",
                definition=(
                    "Share of the inputs predicted as the class whose score for it rises along the"
                    " concept's direction, mean over directions. A half says nothing; undefined"
                    f" where the interval of the concept's accuracy does not lie above {TOLD}."
                ),
                unit="share",
                better="neither",
            ),
        },
        headline=f"{PURPOSE}/movement_over_random/all/*",
        modalities=("image", "text"),
        references=(
            "Kim et al., 2018, arXiv:1711.11279",
            "Goyal et al., 2019, arXiv:1907.07165 (causal effects of concepts)",
            "Phipson and Smyth, 2010, Stat. Appl. Genet. Mol. Biol. 9(1), 39",
        ),
    )
    max_inputs: int = 192
    repeats: int = 16
    vectors: int = 64

    def __post_init__(self) -> None:
        require_least(self, max_inputs=16, repeats=4, vectors=10)
        if self.max_inputs < _PAIRS * self.repeats:
            raise ConfigError(
                f"{PURPOSE}: {self.repeats} repeats need {_PAIRS * self.repeats} inputs,"
                f" max_inputs is {self.max_inputs}."
            )

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Only where every vector has enough inputs of its own to be learnt from."""
        if len(data) < (least := _PAIRS * self.repeats):
            return NotApplicable(f"it needs at least {least} inputs, and there are {len(data)}")
        return super().applies(model, data)

    def measure(self, artifacts: Artifacts) -> Records:
        """Say of the shard's inputs that were drawn what the concepts did to them."""
        sample = artifacts.sample(PURPOSE, self.max_inputs)
        trials = artifacts.once(
            (PURPOSE, self), lambda: tried(sample, repeats=self.repeats, vectors=self.vectors)
        )
        drawn = artifacts.drawn(PURPOSE, self.max_inputs)
        places = {one: i for i, one in enumerate(sample.ids)}
        rows = np.flatnonzero(drawn)
        theirs = np.array([places[artifacts.ids[i]] for i in rows], dtype=np.int64)
        columns = {name: np.full(len(artifacts), np.nan) for name in self._names(sample, trials)}
        for name, column in columns.items():
            column[rows] = _column(trials, name)[theirs]
        predicted = artifacts[Predictions].predicted.numpy()
        shown = [i for i in theirs.tolist() if i in trials.shown and trials.changes]
        examples = [example(sample, trials, i) for i in shown]
        words = {name: np.full(len(artifacts), why) for name, why in _reasons(trials).items()}
        return Records(
            artifacts.ids, examples=examples, drawn=drawn, predicted=predicted, **columns, **words
        )

    def _names(self, sample: Artifacts, trials: Trials) -> list[str]:
        predicted = sample[Predictions].predicted.numpy()
        counts = np.bincount(predicted, minlength=len(sample.classifier.classes))
        shown = np.sort(np.argsort(-counts, kind="stable")[:CLASSES]).tolist()
        names = [f"towards_random/{q}" for q in range(len(trials.towards_random))]
        for one in trials.changes:
            names += [f"moved/{one}", f"by_chance/{one}"]
            names += [f"effect/{one}/{k}" for k in shown]
            if one in trials.towards:
                names += [f"accuracy/{one}"]
                names += [f"towards/{one}/{r}" for r in range(self.repeats)]
        return names

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Average over the inputs and test the vectors against random ones."""
        summary = Summary(records, context)
        if not summary.concepts:
            return NotApplicable("none of its concepts can be put into these inputs")
        findings: list[Finding] = []
        for metric in ("movement_over_random", "movement", "concept_accuracy"):
            findings += [
                self._mean(metric, summary.values(metric, one), context, Params(concept=one))
                for one in summary.concepts
                if metric != "concept_accuracy" or summary.told_of(one) is not None
            ]
        for one in summary.concepts:
            for k in summary.classes:
                swept = Params(concept=one, **{"class": context.data.classes[k]})
                findings.append(self._mean("effect", summary.effect(one, k), context, swept))
                findings.append(self._tcav(summary, one, k, context, swept))
        findings += [
            self.undefined("movement_over_random", why, n=len(records), swept={"concept": one})
            for one, why in summary.left_out(_all_concepts(context)).items()
        ]
        most = max(findings[: len(summary.concepts)], key=lambda one: one.value or 0.0)
        return Measured(findings=findings, evidence=summary.evidence(), headline=most.id)

    def _mean(self, metric: str, values: Floats, context: Context, swept: Params) -> Finding:
        seed = context.key(PURPOSE, metric, *swept.values())
        lowest = 0.0 if metric in ("movement", "concept_accuracy") else -1.0
        value, interval, method = bounded_mean(values, seed=seed, level=context.level, low=lowest)
        return self.value(
            metric, value, n=len(values), interval=interval, method=method,
            swept=swept, evidence=["movement", "table"], level=context.level,
        )  # fmt: skip

    def _tcav(
        self, summary: Summary, concept: str, k: int, context: Context, swept: Params
    ) -> Finding:
        score = summary.tcav(concept, k)
        if isinstance(score, str):
            return self.undefined("tcav", score, n=summary.n, swept=swept)
        return self.value(
            "tcav", score.value, n=score.n, interval=score.interval, method=score.method,
            swept=swept, evidence=["tcav", "table", "layer"], level=context.level,
        )  # fmt: skip


def _all_concepts(context: Context) -> list[str]:
    return list(TEXT_CONCEPTS if context.data.modality == "text" else IMAGE_CONCEPTS)


def _column(trials: Trials, name: str) -> Floats:
    """Return what a column says of the sample (n,)."""
    kind, _, rest = name.partition("/")
    match kind:
        case "towards_random":
            return trials.towards_random[int(rest)]
        case "moved":
            return np.abs(trials.effects[rest]).sum(axis=1) / 2
        case "by_chance":
            return np.abs(trials.by_chance[rest]).sum(axis=1) / 2
        case "accuracy":
            return trials.accuracy[rest]
        case "effect":
            concept, _, k = rest.rpartition("/")
            return trials.effects[concept][:, int(k)]
        case _:
            concept, _, number = rest.rpartition("/")
            return trials.towards[concept][int(number)]


def _reasons(trials: Trials) -> dict[str, str]:
    return {"layer": trials.layer} | {
        f"left_out/{name}": why for name, why in trials.left_out.items()
    }

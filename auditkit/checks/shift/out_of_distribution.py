"""Does the model know when it does not know?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.features import Features, width_of
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.galleries import exhibit
from auditkit.checks.halves import searched_half, searched_on, too_few
from auditkit.checks.parameters import require_choice
from auditkit.checks.shift._strange import (
    CHANGED,
    SHIFT,
    WORDS,
    Halves,
    Strange,
    sources_of,
    strange_inputs,
)
from auditkit.checks.shifted import Shifted, hash_of, shifted
from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError, near_miss
from auditkit.findings import (
    Bar,
    Bars,
    Evidence,
    Finding,
    ImageRow,
    Matrix,
    Metric,
    Note,
    Scalar,
    Table,
    TextRow,
    Token,
)
from auditkit.methods.metrics.auc import auc, auc_interval
from auditkit.methods.metrics.steady import steady
from auditkit.methods.ood.catalogue import SCORES
from auditkit.methods.ood.head import Head
from auditkit.methods.ood.known import Known, Reading, Score, Unfit
from auditkit.methods.ood.rates import false_positive_rate, rate_interval
from auditkit.methods.penultimate import penultimate
from auditkit.methods.pictures import picture
from auditkit.models.classifier import Classifier, Inputs
from auditkit.models.graphs import GraphClassifier
from auditkit.models.tabular import TabularClassifier
from auditkit.percent import percent
from auditkit.plurals import count
from auditkit.randomness import keys_of
from auditkit.statistics import Interval
from auditkit.types import Floats, Ints, Params

PURPOSE = "out-of-distribution"
_FITTED_ON = 2000  # inputs at most
_FITTED, _CHOSEN, _REPORTED = 0, 1, 2  # parts of the inputs: half, quarter, quarter
_CONTROL_LEVEL = 0.99  # that no control is contradicted by chance, for all scores together
_POSITIVE = "out-of-distribution inputs count as positive"


@final
@dataclass(frozen=True, kw_only=True)
class OutOfDistribution(Check):
    """How well six published scores tell other inputs from those the model is made for.

    Parameters
    ----------
    scores : tuple of str
        Distinct names from `auditkit.methods.ood.catalogue.SCORES`.
    shift : tuple of str
        "NAME=DATA" or "DATA": data of the user's own, as one more source each. May be empty.
    columns : tuple of str
        Text and label column of a table of texts; label column of any other table.
    most : int
        Inputs of each of these that are looked at, at least 1; drawn at random.

    Raises
    ------
    ConfigError
        If a score is unknown or named twice, or the tuple is empty; if `most` is below 1.
    DataError
        If the user's own data cannot be read, or do not fit the model.
    """

    meta: ClassVar[Meta] = Meta(
        id=PURPOSE,
        family="shift",
        question="Does the model know when it does not know?",
        explanation=(
            "Each score gives an input a number that should be larger for stranger ones. What a"
            " score has to know of usual inputs it learns from one half of the audited inputs. The"
            " other half is then set against inputs of other kinds: noise, the inputs themselves"
            " taken to pieces, other data, data of your own. The score that suits the model best is"
            " chosen on a half of these, and its main number is measured on the rest."
        ),
        not_shown=(
            "Inputs of kinds that were not tried: another source can favour another score. That"
            " the model is wrong where a score is high, or right where it is low. Scores fitted on"
            " more inputs, such as all training inputs, can do better."
        ),
        remedy=(
            "Put the score that suits best before the model, with a threshold from your own inputs,"
            " and hand flagged inputs to a person. Training with outliers (outlier exposure) or"
            " with logit normalisation makes them easier to tell."
        ),
        metrics={
            "detection_auroc": Metric(
                label=f"area under the curve of the score that suits best ({_POSITIVE})",
                definition=(
                    "Of the score chosen on a quarter of the inputs, the area under the curve"
                    " averaged over the sources, data of your own left out, measured on another"
                    " quarter."
                ),
                unit="area",
                better="higher",
            ),
            "mean_auroc": Metric(
                label=f"mean area under the curve of one score ({_POSITIVE})",
                definition=(
                    "Area under the curve averaged over the sources, data of your own left out, on"
                    " the half that was not fitted on. The best of several is too good by what"
                    " chance adds."
                ),
                unit="area",
                better="higher",
            ),
            "auroc": Metric(
                label=f"area under the curve ({_POSITIVE})",
                definition=(
                    "Share of pairs of an input of one source and an audited input in which the"
                    " former has the higher score, ties counting a half. Half is chance, below it"
                    " the score is misled."
                ),
                unit="area",
                better="higher",
            ),
            "fpr95": Metric(
                label=f"false alarms at 95 % recall ({_POSITIVE})",
                definition=(
                    "Share of the audited inputs that are flagged when the threshold flags at least"
                    " 95 % of the inputs of one source."
                ),
                unit="share",
                better="lower",
            ),
            "control_auroc": Metric(
                label="area between audited inputs and themselves",
                definition=(
                    "The area with one random half of the measured inputs in place of strange ones."
                    " Its interval should hold a half; it holds for all scores together at 99 %."
                ),
                unit="area",
                better="neither",
            ),
            "contradicted_controls": Metric(
                label="scores that tell the inputs from themselves",
                definition="Share of the scores whose control interval does not hold a half.",
                unit="share",
                better="lower",
            ),
        },
        headline=f"{PURPOSE}/detection_auroc/all",
        references=(
            "Hendrycks and Gimpel, 2017, arXiv:1610.02136 (msp)",
            "Liu et al., 2020, arXiv:2010.03759 (energy)",
            "Lee et al., 2018, arXiv:1807.03888 (mahalanobis)",
            "Sun et al., 2022, arXiv:2204.06507 (knn)",
            "Wang et al., 2022, arXiv:2203.10807 (vim)",
            "Sun et al., 2021, arXiv:2111.12797 (react)",
            "Yang et al., 2022, arXiv:2210.07242 (OpenOOD, the convention)",
        ),
    )
    scores: tuple[str, ...] = tuple(SCORES)
    shift: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    most: int = 1000

    def __post_init__(self) -> None:
        require_choice(PURPOSE, "scores", self.scores)
        for score in self.scores:
            if score not in SCORES:
                raise ConfigError(
                    f"{PURPOSE}: there is no score {score!r}.{near_miss(score, SCORES)}",
                    hint=f"The scores are {', '.join(SCORES)}.",
                )

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Only where the inputs are enough for two halves."""
        obstacle = super().applies(model, data) or too_few(data)
        if obstacle is None:
            self._own(model, seed=0)
        return obstacle

    def parameters(self) -> Params:
        """Return the parameters, with the hash of the user's own data."""
        return super().parameters() | hash_of(self.shift)

    def _own(self, model: Classifier, *, seed: int) -> tuple[Shifted, ...]:
        return shifted(PURPOSE, self.shift, model, columns=self.columns, most=self.most, seed=seed)

    # --- one shard -------------------------------------------------------------------------------

    def measure(self, artifacts: Artifacts) -> Records:
        """Give every measured input of the shard, and what stands beside it, its scores."""
        fitted = artifacts.once((PURPOSE, self), lambda: self._fitted(artifacts))
        parts = artifacts.once((PURPOSE, "parts"), lambda: _parts(artifacts))
        n, here = len(artifacts), parts[artifacts.positions]
        columns: dict[str, Any] = {"part": here, "layer": np.full(n, fitted.layer)}
        columns |= {f"why/{name}": np.full(n, why) for name, why in fitted.why.items()}
        own = self._own(artifacts.classifier, seed=artifacts.seed)
        for source in ("inputs", *sources_of(artifacts, own)):
            columns[f"there/{source}"] = np.zeros(n, dtype=np.bool_)
            columns |= {f"{name}/{source}": np.full(n, np.nan) for name in fitted.scores}
        logits = artifacts[Predictions].logits.numpy().astype(np.float64)
        reading = Reading(artifacts[Features].values, logits)
        (rows,) = np.nonzero(here != _FITTED)
        _fill(columns, "inputs", rows, fitted, Reading(*(one[rows] for one in reading)))
        examples: list[Example] = []
        halves = Halves(fitted.on, parts != _FITTED)
        for one in strange_inputs(artifacts, halves, PURPOSE, own):
            found = penultimate(
                artifacts.classifier,
                one.inputs,
                batch_size=artifacts.execution.batch_size,
                width=width_of(artifacts),
            )
            answers = found.logits.numpy().astype(np.float64)
            reading = Reading(found.values.numpy().astype(np.float64), answers)
            _fill(columns, one.source, one.rows, fitted, reading)
            examples.append(_surest(artifacts, one, found.logits))
        return Records(artifacts.ids, examples=examples, **columns)

    def _fitted(self, artifacts: Artifacts) -> _Fitted:
        """Fit every score on one half of the whole sample."""
        rows = searched_on(artifacts, PURPOSE, _FITTED_ON)
        sample = artifacts.at(rows)
        features, logits = sample[Features], sample[Predictions].logits.numpy().astype(np.float64)
        known = Known(
            reading=Reading(features.values, logits),
            labels=sample.labels.numpy(),
            head=Head.seen(features.matrix, features.values, logits),
        )
        scores: dict[str, Score] = {}
        why: dict[str, str] = {}
        for name in self.scores:
            try:
                scores[name] = SCORES[name](known)
            except Unfit as reason:
                why[name] = str(reason)
        return _Fitted(rows, scores, why, features.words)

    # --- all shards ------------------------------------------------------------------------------

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Return how well the scores tell the sources from the audited inputs."""
        names = [one for one in self.scores if f"{one}/inputs" in records.columns]
        sources = [
            one.removeprefix("there/")
            for one in records.columns
            if one.startswith("there/") and one != "there/inputs" and records[one].any()
        ]
        if not names:
            return NotApplicable("; ".join(_whys(records).values()))
        told = {name: [_told(name, one, records) for one in sources] for name in names}
        foreign = [one for one in sources if not one.startswith(SHIFT)]
        chosen = _chosen(names, foreign, records)
        findings = [self._headline(chosen, foreign, records, context)]
        for name in self.scores:
            if name in told:
                of_foreign = [one for one in told[name] if one.source in foreign]
                findings.append(self._mean(name, of_foreign, context))
            else:
                why = f"not applicable: {_whys(records)[name]}"
                n = int(np.count_nonzero(records["part"]))
                findings.append(self.undefined("mean_auroc", why, n=n, swept={"score": name}))
        findings += self._controls(names, records)
        for name in names:
            for one in told[name]:
                findings += self._of(name, one, context)
        low = findings[0].low
        evidence = _evidence(
            told, chosen, sources, records, context, beyond_chance=low is not None and low > 0.5
        )
        return Measured(findings=findings, evidence=evidence)

    def _headline(
        self, chosen: str | None, sources: Sequence[str], records: Records, context: Context
    ) -> Finding:
        n = int(np.count_nonzero(records["part"] == _REPORTED))
        if chosen is None:
            return self.undefined("detection_auroc", "no score is finite on every source", n=n)
        told = [_told(chosen, one, records, parts=(_REPORTED,)) for one in sources]
        return self._averaged("detection_auroc", told, context, {}, ("suits", "sources", "areas"))

    def _mean(self, name: str, told: Sequence[_Told], context: Context) -> Finding:
        return self._averaged("mean_auroc", told, context, {"score": name}, ("areas",))

    def _averaged(
        self, metric: str, told: Sequence[_Told], context: Context, swept: Params,
        evidence: Sequence[str],
    ) -> Finding:  # fmt: skip
        """Return the mean area; it varies no more than the areas do when they vary together."""
        n = told[0].n
        if not all(one.defined for one in told):
            bad = next(one for one in told if not one.defined)
            return self.undefined(metric, bad.why_not, n=n, swept=swept)
        ends = np.array([one.interval(context.level) for one in told])
        return self.value(
            metric, float(np.mean([one.auc for one in told])), n=n,
            interval=Interval(*ends.mean(axis=0).tolist()), method="mean-of-intervals",
            swept=swept, evidence=evidence, controls=[f"{PURPOSE}/contradicted_controls/all"],
            level=context.level,
        )  # fmt: skip

    def _controls(self, names: Sequence[str], records: Records) -> list[Finding]:
        """Return how well each score tells two halves of the same inputs: it should be chance."""
        level = 1 - (1 - _CONTROL_LEVEL) / len(names)
        part, findings, contradicted = records["part"], list[Finding](), 0
        for name in names:
            values = records[f"{name}/inputs"]
            value = auc(values[part != _FITTED], part[part != _FITTED] == _REPORTED)
            sizes = [int(np.count_nonzero(part == one)) for one in (_REPORTED, _CHOSEN)]
            interval = auc_interval(value, *sizes, level=level)
            contradicted += not interval.low <= 0.5 <= interval.high
            findings.append(
                self.value(
                    "control_auroc", value, n=sum(sizes), interval=interval,
                    method="newcombe-auc", swept={"score": name}, level=level,
                )
            )  # fmt: skip
        share = contradicted / len(names)
        n = int(np.count_nonzero(part))
        whole = self.value(
            "contradicted_controls", share, n=n, interval=Interval(share, share), method="exact"
        )
        return [whole, *findings]

    def _of(self, name: str, one: _Told, context: Context) -> Iterator[Finding]:
        swept: Params = {"score": name, "source": one.source}
        control = [f"{PURPOSE}/contradicted_controls/all"]
        if not one.defined:
            for metric in ("auroc", "fpr95"):
                yield self.undefined(metric, one.why_not, n=one.n, swept=swept)
            return
        yield self.value(
            "auroc", one.auc, n=one.n, interval=one.interval(context.level),
            method="newcombe-auc", swept=swept, evidence=("areas",), controls=control,
            level=context.level,
        )  # fmt: skip
        yield self.value(
            "fpr95", false_positive_rate(one.known, one.strange), n=one.n,
            interval=rate_interval(one.known, one.strange, level=context.level),
            method="threshold-and-share", swept=swept, evidence=("alarms",), controls=control,
            level=context.level,
        )  # fmt: skip


class _Fitted(NamedTuple):
    """What was learnt of one half."""

    on: Ints  # positions in the whole sample
    scores: dict[str, Score]
    why: dict[str, str]  # why other scores cannot be had
    layer: str


class _Told(NamedTuple):
    """The scores of audited inputs and of those of one source."""

    source: str
    known: Floats  # (n,)
    strange: Floats  # (m,)

    @property
    def n(self) -> int:
        return len(self.known)

    @property
    def defined(self) -> bool:
        return len(self.strange) > 0 and bool(np.isfinite(self.strange).all())

    @property
    def why_not(self) -> str:
        if len(self.strange) == 0:
            return f"no input of {self.source} stands beside these inputs"
        bad = int(np.count_nonzero(~np.isfinite(self.strange)))
        return f"the model gives NaN or infinity for {count(bad, 'input')} of {self.source}"

    @property
    def auc(self) -> float:
        both = np.concatenate([self.known, self.strange])
        return auc(both, np.arange(len(both)) >= len(self.known))

    def interval(self, level: float) -> Interval:
        return auc_interval(self.auc, len(self.strange), len(self.known), level=level)


def _parts(artifacts: Artifacts) -> Ints:
    """Return which part each input of the whole sample belongs to (n,)."""
    parts = np.where(searched_half(artifacts, PURPOSE), _FITTED, _REPORTED)
    (rows,) = np.nonzero(parts)
    keys = keys_of(
        artifacts.seed, f"{PURPOSE}/choose", [artifacts.data.ids[i] for i in rows.tolist()]
    )
    parts[rows[np.argsort(keys, kind="stable")[: len(rows) // 2]]] = _CHOSEN
    return parts


def _fill(
    columns: dict[str, Any], source: str, rows: Ints, fitted: _Fitted, reading: Reading
) -> None:
    """Write down the scores of a source's inputs, in the rows of the inputs they stand beside."""
    columns[f"there/{source}"][rows] = True
    finite = np.isfinite(reading.logits).all(axis=1) & np.isfinite(reading.features).all(axis=1)
    some = Reading(*(one[finite] for one in reading))
    for name, score in fitted.scores.items():
        if finite.any():
            columns[f"{name}/{source}"][rows[finite]] = steady(score(some))


def _told(
    name: str, source: str, records: Records, parts: tuple[int, ...] = (_CHOSEN, _REPORTED)
) -> _Told:
    here = np.isin(records["part"], parts)
    there = here & records[f"there/{source}"]
    return _Told(source, records[f"{name}/inputs"][here], records[f"{name}/{source}"][there])


def _chosen(names: Sequence[str], sources: Sequence[str], records: Records) -> str | None:
    """Return the score with the largest mean area on the part that chooses."""
    best, most = None, -np.inf
    for name in names:
        told = [_told(name, one, records, parts=(_CHOSEN,)) for one in sources]
        if all(one.defined for one in told):
            mean = float(np.mean([one.auc for one in told]))
            best, most = (name, mean) if mean > most else (best, most)
    return best


def _whys(records: Records) -> dict[str, str]:
    return {
        name.removeprefix("why/"): str(column[0])
        for name, column in records.columns.items()
        if name.startswith("why/")
    }


# --- evidence ------------------------------------------------------------------------------------


def _evidence(
    told: Mapping[str, Sequence[_Told]], chosen: str | None, sources: Sequence[str],
    records: Records, context: Context, *, beyond_chance: bool,
) -> dict[str, Evidence]:  # fmt: skip
    evidence: dict[str, Evidence] = {
        "convention": Note(
            title=f"The convention: {_POSITIVE}",
            text=_convention(sources, records),
        ),
        "suits": Note(
            title="Which score suits this model",
            text=_suits(
                chosen,
                [one for one in sources if not one.startswith(SHIFT)],
                records,
                beyond_chance=beyond_chance,
            ),
        ),
    }
    if chosen is not None:
        evidence["sources"] = Bars(
            title=f"Area under the curve of {chosen} per source; a half is chance",
            value_label="area",
            bars=[_bar(one, context.level) for one in told[chosen]],
        )
    evidence["areas"] = _matrix("Area under the curve", told, sources, lambda one: one.auc, "area")
    evidence["alarms"] = _matrix(
        "False alarms at 95 % recall", told, sources,
        lambda one: false_positive_rate(one.known, one.strange), "share",
    )  # fmt: skip
    evidence["kinds"] = _kinds(sources, records)
    first = [records.gallery(f"surest/{one}")[:1] for one in sources]
    rows = [row for some in first for row in some]
    if rows:
        evidence["worst"] = exhibit("The surest answer to an input of each source", "worst", rows)
    return evidence


def _matrix(
    title: str, told: Mapping[str, Sequence[_Told]], sources: Sequence[str],
    value: Callable[[_Told], float], unit: str,
) -> Matrix:  # fmt: skip
    return Matrix(
        title=f"{title} ({_POSITIVE})",
        row_label="score",
        column_label="source",
        rows=list(told),
        columns=list(sources),
        values=[[value(one) if one.defined else None for one in row] for row in told.values()],
        unit=unit,
    )


def _bar(one: _Told, level: float) -> Bar:
    if not one.defined:
        return Bar(label=one.source, value=None, n=one.n)
    low, high = one.interval(level)
    return Bar(label=one.source, value=one.auc, low=low, high=high, n=len(one.strange))


def _kinds(sources: Sequence[str], records: Records) -> Table:
    rows: list[list[Scalar]] = [
        [
            one,
            int(np.count_nonzero(records[f"there/{one}"])),
            WORDS.get(one, "data of your own" if one.startswith(SHIFT) else "another data set"),
        ]
        for one in sources
    ]
    return Table(
        title="What the inputs are set against",
        columns=["source", "inputs", "what it is"],
        rows=rows,
    )


def _convention(sources: Sequence[str], records: Records) -> str:
    part = records["part"]
    fitted, measured = (int(np.count_nonzero(one)) for one in (part == _FITTED, part != _FITTED))
    sentences = [
        "An area of 1 means that every strange input has a higher score than every audited one;"
        " false alarms are audited inputs that are flagged when 95 % of the strange ones are. This"
        " is the convention of OpenOOD; others count the audited inputs as positive, which leaves"
        " the area as it is and changes the false alarms.",
        f"Scores that need known inputs were fitted on {min(fitted, _FITTED_ON)} of {fitted}"
        f" inputs of one half, drawn by id; the other {measured} were measured. The model is read"
        f" at {records['layer'][0]}.",
    ]
    if any(one.startswith(SHIFT) for one in sources):
        sentences.append(
            "Data of your own are no part of any mean, and no score is chosen by them: they need"
            " not be strange. An area of about a half says that they look like the audited inputs."
        )
    if any(one in CHANGED for one in sources):
        sentences.append(
            "Where strange inputs are changed versions of the measured ones, the intervals take"
            " them as independent, which makes them wider than need be."
        )
    sentences += [f"{name} is not applicable: {why}." for name, why in _whys(records).items()]
    return " ".join(sentences)


def _suits(
    chosen: str | None, sources: Sequence[str], records: Records, *, beyond_chance: bool
) -> str:
    if chosen is None:
        return "None: no score is finite on every source."
    quarters = [int(np.count_nonzero(records["part"] == one)) for one in (_CHOSEN, _REPORTED)]
    doubt = (
        "" if beyond_chance else " Its interval reaches down to a half or below: on these sources"
        " none of the scores is known to do better than chance."
    )  # fmt: skip
    return (
        f"{chosen} has the highest mean area over the sources ({', '.join(sources)}) on"
        f" {quarters[0]} inputs. The main number was measured on {quarters[1]} others, so it is not"
        " the best of several by chance. The choice holds for these sources: name your own inputs"
        f" with --shift before you rely on it.{doubt}"
    )


def _surest(artifacts: Artifacts, one: Strange, logits: Tensor) -> Example:
    """Return the input of a source that the model answers most surely."""
    confidence, predicted = logits.softmax(dim=1).nan_to_num(nan=0.0).max(dim=1)
    ids = [artifacts.ids[i] for i in one.rows.tolist()]
    i = min(range(len(ids)), key=lambda i: (-float(confidence[i]), ids[i]))
    said = artifacts.classifier.classes[int(predicted[i])]
    caption = f"{one.source}, read as {said} ({percent(float(confidence[i]))} sure)"
    return Example(
        gallery=f"surest/{one.source}",
        score=float(confidence[i]),
        row=_row(artifacts, one.inputs, i, ids[i], caption, one.source),
    )


def _row(
    artifacts: Artifacts, inputs: Inputs, i: int, id_: str, caption: str, source: str
) -> ImageRow | TextRow:
    model, shown = artifacts.classifier, inputs[i]
    name = f"{source} beside {id_}"
    if isinstance(shown, str):
        return TextRow(id=name, caption=caption, tokens=[Token(text=shown)])
    if isinstance(model, TabularClassifier | GraphClassifier):
        words = model.in_words(shown)
        return TextRow(id=name, caption=caption, tokens=[Token(text=words)])
    panel = picture(torch.as_tensor(shown), artifacts.image_model.bounds, source)
    return ImageRow(id=name, caption=caption, panels=[panel])

"""Are like rows answered alike, and does the sensitive column change an answer?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.bias._decisions import class_of, require_class
from auditkit.checks.galleries import exhibit
from auditkit.checks.parameters import require_least
from auditkit.data.dataset import Dataset
from auditkit.data.schema import Feature, Schema
from auditkit.errors import ConfigError, near_miss
from auditkit.findings import Bar, Bars, Evidence, Finding, Metric, Note, TextRow, Token
from auditkit.methods.metrics.individual import (
    agreement,
    benefits,
    drawn_shares,
    generalised_entropy,
    neighbour_weights,
    quantiles,
    theil_index,
)
from auditkit.models.classifier import Classifier
from auditkit.models.tabular import TabularClassifier
from auditkit.percent import percent_range
from auditkit.plurals import count
from auditkit.randomness import uniform
from auditkit.statistics import bounded_mean
from auditkit.types import Bools, Floats

PURPOSE = "individual"
_VALUES = (0.05, 0.25, 0.5, 0.75, 0.95)  # quantiles that stand for the values of a number
_BINS = 5  # of the chart of agreement


@final
@dataclass(frozen=True, kw_only=True)
class Individual(Check):
    """Consistency among neighbours, inequality of benefits, and flips by the sensitive column.

    Parameters
    ----------
    neighbours : int
        Nearest rows that each row is compared with, at least 1.
    max_inputs : int
        Rows that are compared with each other, drawn at random, at least 20.
    columns : tuple of str
        Columns that are changed alone, besides those called sensitive.
    positive : str
        The class that is good to get, for the indices of inequality; of two the second by default.

    Raises
    ------
    ConfigError
        If a parameter lies outside its range, a column is not one that the model reads, or the
        positive class none of the data's.
    """

    meta: ClassVar[Meta] = Meta(
        id=PURPOSE,
        family="bias",
        version=3,
        question="Are like rows answered alike, and does the sensitive column change an answer?",
        explanation=(
            "Each row is compared with its nearest other rows, sensitive columns left out: how many"
            " of them get the same answer? Beside it stands how many have the same label. Then each"
            " sensitive column that the model reads is set to every other value, all else as it is:"
            " does the answer change? Last, how unequally mistakes in favour of people and against"
            " them are spread."
        ),
        not_shown=(
            "What is near depends on the columns and their scale: numbers count in training"
            " standard deviations, and two different categories are as far apart as one. A rule"
            " with a sharp border is inconsistent at the border and may still be fair. A row with"
            " another value of the sensitive column need not exist, and other columns that go with"
            " it stay as they are: see `proxy`. The indices of inequality say nothing about groups."
        ),
        remedy=(
            "If answers turn with the sensitive column alone, leave it out or train with it"
            " changed at random. If neighbours get different answers, look at their pairs: noisy"
            " labels and overfitted borders both do this."
        ),
        metrics={
            "consistency": Metric(
                label="consistency",
                definition=(
                    "Mean share of a row's nearest other rows that get the same answer. Rows"
                    " equally far share the last places."
                ),
                unit="share",
                better="higher",
            ),
            "label_consistency": Metric(
                label="consistency of the labels",
                definition="The same of the labels: what the data themselves are like.",
                unit="share",
                better="neither",
            ),
            "flip_rate": Metric(
                label="flips by the sensitive column alone",
                definition=(
                    "Share of rows whose answer changes for at least one other value of the column,"
                    " all other columns as they are."
                ),
                unit="share",
                better="lower",
            ),
            "score_change": Metric(
                label="largest change by the sensitive column alone",
                definition=(
                    "Mean over rows of the largest share of probability that changes its class,"
                    " over the column's other values."
                ),
                unit="share",
                better="lower",
            ),
            "theil_index": Metric(
                label="Theil index",
                definition=(
                    "Mean of (b / mu) ln(b / mu) over all rows, where mu is the mean of the benefit"
                    " b: 2 for who gets the positive class without being labelled so, 0 for who is"
                    " labelled so and does not get it, 1 for all others. 0 where mistakes favour"
                    " and harm nobody."
                ),
                unit="nats",
                better="lower",
            ),
            "generalised_entropy": Metric(
                label="generalised entropy index",
                definition=(
                    "Mean of ((b / mu)^2 - 1) / 2 over all rows, of the same benefits: half their"
                    " squared coefficient of variation."
                ),
                unit="index",
                better="lower",
            ),
        },
        headline=f"{PURPOSE}/consistency/all",
        modalities=("tabular",),
        references=(
            "Zemel et al., 2013, Learning Fair Representations, ICML",
            "Speicher et al., 2018, arXiv:1807.00787",
            "Aronow, Samii and Assenova, 2015, Political Analysis 23, 564-577",
        ),
    )
    neighbours: int = 5
    max_inputs: int = 2000
    columns: tuple[str, ...] = ()
    positive: str = ""

    def __post_init__(self) -> None:
        require_least(self, neighbours=1, max_inputs=20)
        if self.neighbours >= self.max_inputs:
            raise ConfigError(
                f"{PURPOSE}: {self.neighbours} neighbours of {self.max_inputs} rows (max_inputs)"
                " are impossible."
            )

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Only where a row has enough others."""
        require_class(data, self.positive)
        nothing = super().applies(model, data)
        if nothing is None and len(data) <= self.neighbours:
            others = count(self.neighbours, "neighbour")
            return NotApplicable(f"{count(len(data), 'row')}: too few for {others} each")
        return nothing

    # --- one shard -------------------------------------------------------------------------------

    def measure(self, artifacts: Artifacts) -> Records:
        """Change the sensitive columns of the shard's rows, one at a time."""
        clean = artifacts[Predictions]
        columns: dict[str, Bools | Floats] = {}
        examples: list[Example] = []
        for name in self._changed(artifacts.table_model, artifacts.data):
            values = artifacts.once((PURPOSE, name), lambda name=name: _values(artifacts, name))
            flips, change, turned = _moved(artifacts, name, values)
            columns |= {f"flips/{name}": flips, f"change/{name}": change}
            examples += _examples(artifacts, name, flips, turned)
        return Records(
            artifacts.ids,
            examples=examples,
            drawn=artifacts.drawn(PURPOSE, self.max_inputs),
            predicted=clean.predicted.numpy(),
            **columns,
        )

    def _changed(self, model: TabularClassifier, data: Dataset) -> list[str]:
        """Return the columns to change: those named, and the sensitive ones that the model reads.

        Raises
        ------
        ConfigError
            If the model does not read a column that was named.
        """
        known = model.schema.names
        for name in self.columns:
            if name not in known:
                raise ConfigError(
                    f"{PURPOSE}: the model does not read a column {name!r}."
                    f"{near_miss(name, known)}",
                    hint=f"It reads {', '.join(known)}.",
                )
        return [name for name in known if name in (*self.columns, *data.sensitive)]

    # --- all shards ------------------------------------------------------------------------------

    def summarise(self, records: Records, context: Context) -> Measured:
        """Compare neighbours, count flips, and measure inequality."""
        names = [one.removeprefix("flips/") for one in records.columns if one.startswith("flips/")]
        near, evidence = self._neighbours(records, context)
        flips = [one for name in names for one in self._flips(name, records, context)]
        unread = [one for one in context.data.sensitive if one not in names]
        why = "the model does not read this column, so that changing it alone changes nothing"
        flips += [
            self.undefined("flip_rate", why, n=len(records), slice_name=one) for one in unread
        ]
        for i, name in enumerate(names, 1):
            if rows := records.gallery(f"flips/{name}"):
                title = f"Answers that turn with {name} alone"
                evidence[f"flips-{i}"] = exhibit(title, "random", rows)
        inequality = self._inequality(records, context)
        if any(one.value is not None for one in inequality):
            evidence["benefit"] = self._benefit(context.data)
        return Measured(
            findings=[*near, *flips, *inequality],
            evidence=evidence,
            headline=flips[0].id if names else near[0].id,
        )

    def _neighbours(
        self, records: Records, context: Context
    ) -> tuple[list[Finding], dict[str, Evidence]]:
        drawn = np.flatnonzero(records["drawn"])
        schema, rows = context.data.schema, context.data.read(drawn)
        assert schema is not None
        assert not isinstance(rows, list)
        compared = [
            j for j, one in enumerate(schema.features) if one.name not in context.data.sensitive
        ]
        features = standardised(
            Schema(tuple(schema.features[j] for j in compared)), rows[:, compared]
        )
        weights = neighbour_weights(features, self.neighbours)
        answers = agreement(weights, records["predicted"][drawn], level=context.level)
        labels = agreement(weights, context.data.labels[drawn], level=context.level)
        findings = [
            self.value(
                metric, one.value, n=len(drawn), interval=one.interval, method="wilson-dyadic",
                evidence=["neighbours", "agreement"], level=context.level,
            )
            for metric, one in (("consistency", answers), ("label_consistency", labels))
        ]  # fmt: skip
        text = (
            f"{count(len(drawn), 'row')}, each with its {self.neighbours} nearest others by"
            f" {', '.join(schema.features[j].name for j in compared)}. Numbers are divided by their"
            " training standard deviation; different categories are one standard deviation apart,"
            " and so is a missing value from a known one."
        )
        note = Note(title="What is near", text=text)
        return findings, {"neighbours": note, "agreement": _bars(answers.each)}

    def _flips(self, name: str, records: Records, context: Context) -> list[Finding]:
        changes, n = records[f"change/{name}"], len(records)
        value, interval, method = bounded_mean(
            changes, seed=context.key(PURPOSE, "change", name), level=context.level
        )
        return [
            self.share(
                "flip_rate", records.count(f"flips/{name}"), n=n, slice_name=name,
                level=context.level,
            ),
            self.value(
                "score_change", value, n=n, interval=interval, method=method,
                slice_name=name, level=context.level,
            ),
        ]  # fmt: skip

    def _inequality(self, records: Records, context: Context) -> list[Finding]:
        data, n = context.data, len(records)
        indices = {"theil_index": theil_index, "generalised_entropy": generalised_entropy}
        if len(data.classes) != 2 and not self.positive:
            why = "with more than two classes it needs one that is good to get: positive"
            return [self.undefined(metric, why, n=n) for metric in indices]
        good = class_of(data, self.positive)
        counts = np.bincount(
            benefits(records["predicted"] == good, data.labels == good), minlength=3
        )
        drawn = drawn_shares(counts, key=context.key(PURPOSE, "inequality"))
        return [
            self.value(
                metric, value, n=n, method="posterior", evidence=["benefit"], level=context.level,
                interval=quantiles(index(drawn), value, level=context.level),
            )
            if np.isfinite(value := float(index(counts / n)))
            else self.undefined(metric, "nobody has any benefit: mu is 0", n=n)
            for metric, index in indices.items()
        ]  # fmt: skip

    def _benefit(self, data: Dataset) -> Note:
        good = repr(data.classes[class_of(data, self.positive)])
        text = (
            f"Taken to be good to get: {good} (the parameter positive). Who gets it without being"
            " labelled so has 2, who is labelled so and does not get it 0, all others 1. Where"
            " another class is the good one, the indices are others."
        )
        return Note(title="What counts as a benefit", text=text)


def standardised(schema: Schema, rows: Floats) -> Floats:
    """Return rows (n, c) as points whose distance says how unlike they are (n, d).

    Examples
    --------
    >>> age = Feature(name="age", mean=40.0, std=10.0)
    >>> work = Feature(name="work", kind="categorical", categories=("State", "Private"))
    >>> rows = np.array([[40.0, 0.0], [50.0, 0.0], [40.0, 1.0]])
    >>> points = standardised(Schema((age, work)), rows)
    >>> [round(float(np.linalg.norm(points[0] - one)), 6) for one in points[1:]]
    [1.0, 1.0]
    """
    parts: list[Floats] = []
    for feature, column in zip(schema.features, rows.astype(np.float64).T, strict=True):
        missing = np.isnan(column)
        if feature.kind == "numeric":
            known = np.where(missing, 0.0, (column - feature.mean) / feature.std)
            parts += [known[:, None], missing[:, None].astype(np.float64)]
        else:
            codes = np.where(missing, len(feature.categories), np.nan_to_num(column)).astype(int)
            parts.append(np.eye(len(feature.categories) + 1)[codes] / np.sqrt(2))
    return np.concatenate(parts, axis=1)


def _values(artifacts: Artifacts, name: str) -> Floats:
    """Return the values that a column is set to: all categories, or quantiles of its values."""
    schema = artifacts.table_model.schema
    j = schema.names.index(name)
    feature: Feature = schema.features[j]
    if feature.kind == "categorical":
        return np.arange(len(feature.categories), dtype=np.float64)
    rows = artifacts.data.read(slice(None))
    assert not isinstance(rows, list)
    values = rows[:, j].astype(np.float64)
    distinct = np.unique(values[np.isfinite(values)])
    if len(distinct) <= len(_VALUES):
        return distinct
    some = np.quantile(distinct, _VALUES)
    return np.unique(np.round(some)) if feature.integer else some


def _moved(artifacts: Artifacts, name: str, values: Floats) -> tuple[Bools, Floats, Floats]:
    """Return whether each answer flips (n,), the largest change (n,) and the value that made it."""
    model, clean = artifacts.table_model, artifacts[Predictions]
    before = clean.logits.softmax(dim=1)
    assert isinstance(artifacts.inputs, torch.Tensor)
    j, n = model.schema.names.index(name), len(artifacts)
    flips, change, turned = np.zeros(n, dtype=np.bool_), np.zeros(n), np.full(n, np.nan)
    for value in values.tolist():
        rows = artifacts.inputs.clone()
        rows[:, j] = value
        logits = model.predict(rows, batch_size=artifacts.execution.batch_size)
        other = (logits.argmax(dim=1) != clean.predicted).numpy()
        moved = ((logits.softmax(dim=1) - before).abs().sum(dim=1) / 2).numpy().astype(np.float64)
        turned = np.where(other & ((moved > change) | ~flips), value, turned)
        flips |= other
        change = np.maximum(change, moved)
    return flips, change, turned


def _examples(artifacts: Artifacts, name: str, flips: Bools, turned: Floats) -> list[Example]:
    model, clean = artifacts.table_model, artifacts[Predictions]
    j = model.schema.names.index(name)
    feature = model.schema.features[j]
    draws = uniform(artifacts.keys(f"{PURPOSE} gallery"), ())
    return [
        Example(
            gallery=f"flips/{name}",
            score=float(draws[i]),
            row=TextRow(
                id=artifacts.ids[i],
                caption=f"answer {model.classes[int(clean.predicted[i])]}, and another one if"
                f" {name} were as marked",
                tokens=[
                    Token(text=f"{artifacts.in_words(i)}\n{name} "),
                    Token(
                        text=feature.in_words(float(turned[i])),
                        was=feature.in_words(float(artifacts.inputs[i][j])),
                    ),
                ],
            ),
        )
        for i in np.flatnonzero(flips).tolist()
    ]


def _bars(each: Floats) -> Bars:
    """Return how many rows share the answer of how many of their neighbours."""
    counts, edges = np.histogram(each, bins=_BINS, range=(0.0, 1.0))
    labels: Sequence[str] = [
        percent_range(low, high, 0)
        for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]
    return Bars(
        title="Rows by the share of neighbours that get the same answer",
        value_label="share of rows",
        bars=[
            Bar(label=label, value=count / len(each), n=int(count))
            for label, count in zip(labels, counts.tolist(), strict=True)
        ],
    )

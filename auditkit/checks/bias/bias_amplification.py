"""Do the predictions exaggerate what the labels say about groups?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.bias._widest import widest
from auditkit.checks.groups import groups_of, nothing_sensitive
from auditkit.checks.parameters import require_least
from auditkit.data.dataset import Dataset
from auditkit.findings import Bar, Bars, Evidence, Finding, Metric, Note, Table
from auditkit.methods.metrics.amplification import (
    directional_amplification,
    drawn_tables,
    mean_amplification,
)
from auditkit.methods.metrics.individual import quantiles
from auditkit.models.classifier import Classifier
from auditkit.statistics import Interval, paired_difference
from auditkit.types import Ints, Scalar

PURPOSE = "bias-amplification"
_SHOWN = 40  # pairs of group and class in the table


@final
@dataclass(frozen=True, kw_only=True)
class BiasAmplification(Check):
    """Predictions held against the labels' own association with each sensitive column.

    Parameters
    ----------
    minimum_n : int
        A group with fewer inputs is left out, at least 1.

    Raises
    ------
    ConfigError
        If `minimum_n` is below 1.
    """

    meta: ClassVar[Meta] = Meta(
        id=PURPOSE,
        family="bias",
        question="Do the predictions exaggerate what the labels say about groups?",
        explanation=(
            "Where a class goes together with a group in the labels, say an income with a sex, a"
            " model may predict it for that group still more often, and for others less. The share"
            " of each group that is predicted as a class is held against the share that is labelled"
            " so, on the same inputs: above 0 the association is exaggerated, below 0 toned down."
        ),
        not_shown=(
            "Whether the labels' association is just: a model without amplification repeats it."
            " Which mistakes do it, see `group-gap`. An amplification near 0 can be two that"
            " cancel: the table has each class and group. The labels are those of the audited data,"
            " not of the training data. Amplification from the task to the attribute needs a model"
            " that predicts the attribute."
        ),
        remedy=(
            "Look at the classes and groups that move most. A model that is unsure falls back on"
            " what it knows of the group: better inputs for the group, or balanced training data,"
            " then measure again."
        ),
        metrics={
            "amplification": Metric(
                label="directional bias amplification",
                definition=(
                    "Mean over groups and classes of the share of the group predicted as the class"
                    " minus the share labelled so, with its sign turned where the labels have the"
                    " two together less often than by chance."
                ),
                unit="share",
                better="lower",
            ),
            "mean_amplification": Metric(
                label="mean bias amplification",
                definition=(
                    "Of the inputs predicted as a class, the share that belongs to a group, minus"
                    " the same share of the inputs labelled so, summed over the groups with more"
                    " than an equal share by the labels; mean over classes. Groups of unequal"
                    " size count as associated, which the directional measure mends."
                ),
                unit="share",
                better="lower",
            ),
        },
        headline=f"{PURPOSE}/amplification/*",
        references=(
            "Wang and Russakovsky, 2021, arXiv:2102.12594 (directional)",
            "Zhao et al., 2017, arXiv:1707.09457 (mean)",
        ),
    )
    minimum_n: int = 20

    def __post_init__(self) -> None:
        require_least(
            self, minimum_n=1, hint="Leave it at 20: shares of smaller groups are mostly noise."
        )

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Only where a column is called sensitive."""
        return super().applies(model, data) or nothing_sensitive(data)

    def measure(self, artifacts: Artifacts) -> Records:
        """Note what was predicted."""
        return Records(artifacts.ids, predicted=artifacts[Predictions].predicted.numpy())

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Hold predictions against labels, column by column."""
        columns = [
            _Column.of(name, records["predicted"], context.data, self.minimum_n)
            for name in context.data.sensitive
        ]
        columns = [one for one in columns if len(one.all_groups) > 1]
        if not columns:
            return NotApplicable("all inputs belong to one group of every sensitive column")
        findings: list[Finding] = []
        evidence: dict[str, Evidence] = {}
        for i, column in enumerate(columns, 1):
            findings += self._of(column, context, f"shares-{i}", f"moved-{i}")
            if column.counts.size:
                moved = column.moved(context)
                evidence[f"shares-{i}"] = _table(column, moved, context.data)
                evidence[f"moved-{i}"] = _bars(column, moved, context.data)
        if left_out := [note for one in columns if (note := one.left_out())]:
            text = "; ".join(left_out)
            evidence["left-out"] = Note(title="Groups left out (minimum_n)", text=f"{text}.")
        return Measured(
            findings=findings, evidence=evidence, headline=widest(findings, "amplification")
        )

    def _of(self, column: _Column, context: Context, *evidence: str) -> list[Finding]:
        n, where = int(column.counts.sum()), column.name
        metrics = {
            "amplification": directional_amplification,
            "mean_amplification": mean_amplification,
        }
        if len(column.groups) < 2:
            why = f"fewer than two groups have {self.minimum_n} inputs (minimum_n)"
            return [self.undefined(one, why, n=n, slice_name=where) for one in metrics]
        drawn = drawn_tables(column.counts, key=context.key(PURPOSE, where))
        findings: list[Finding] = []
        for metric, function in metrics.items():
            value = float(function(column.counts.astype(np.float64)))
            if not np.isfinite(value):
                why = "a class is never labelled or never predicted"
                findings.append(self.undefined(metric, why, n=n, slice_name=where))
                continue
            findings.append(
                self.value(
                    metric, value, n=n, method="posterior", slice_name=where,
                    interval=quantiles(function(drawn), value, level=context.level),
                    evidence=evidence, level=context.level,
                )
            )  # fmt: skip
        return findings


class _Moved(NamedTuple):
    """A group's share of a class by the labels and by the predictions."""

    group: int
    label: int
    labelled: float
    together: bool  # more often than by chance
    change: float
    interval: Interval


class _Column(NamedTuple):
    name: str
    all_groups: tuple[str, ...]
    groups: tuple[str, ...]  # those that are large enough
    codes: Ints  # (n,) positions among the large ones, -1 for others
    predicted: Ints  # (n,)
    counts: Ints  # (g, k, k)

    @classmethod
    def of(cls, name: str, predicted: Ints, data: Dataset, least: int) -> _Column:
        codes, groups = groups_of(name, data)
        large = np.flatnonzero(np.bincount(codes, minlength=len(groups)) >= least)
        place = np.full(len(groups), -1)
        place[large] = np.arange(len(large))
        k, codes = len(data.classes), place[codes]
        kept = codes >= 0
        flat = (codes[kept] * k + data.labels[kept]) * k + predicted[kept]
        counts = np.bincount(flat, minlength=len(large) * k * k).reshape(len(large), k, k)
        return cls(name, groups, tuple(groups[g] for g in large), codes, predicted, counts)

    def left_out(self) -> str:
        small = [one for one in self.all_groups if one not in self.groups]
        return f"{self.name}: {', '.join(small)}" if small else ""

    def moved(self, context: Context) -> list[_Moved]:
        """Return all pairs of group and class, the largest exaggeration first."""
        labels, found = context.data.labels, list[_Moved]()
        labelled = self.counts.sum(axis=2)
        share = labelled / labelled.sum(axis=1, keepdims=True)
        overall = labelled.sum(axis=0) / labelled.sum()
        for g, k in np.ndindex(*labelled.shape):
            here = self.codes == g
            change, interval = paired_difference(
                self.predicted[here] == k, labels[here] == k, level=context.level
            )
            together = bool(share[g, k] > overall[k])
            found.append(_Moved(g, k, float(share[g, k]), together, change, interval))
        return sorted(found, key=lambda one: -one.change if one.together else one.change)


def _table(column: _Column, moved: Sequence[_Moved], data: Dataset) -> Table:
    rows: list[list[Scalar]] = [
        [
            data.classes[one.label], column.groups[one.group],
            "more" if one.together else "less", one.labelled, one.labelled + one.change,
            one.change, one.interval.low, one.interval.high,
        ]
        for one in moved[:_SHOWN]
    ]  # fmt: skip
    return Table(
        title=f"Shares of each group of {column.name}, what is exaggerated most first:"
        f" {len(rows)} of {len(moved)}",
        columns=["class", "group", "than others", "labelled", "predicted", "change", "low", "high"],
        rows=rows,
        units={
            "share": ["labelled", "predicted"],
            "share difference": ["change", "low", "high"],
        },
    )


def _bars(column: _Column, moved: Sequence[_Moved], data: Dataset) -> Bars:
    return Bars(
        title=f"Predicted minus labelled share of each group of {column.name}",
        value_label="predicted minus labelled share",
        bars=[
            Bar(
                label=f"{column.groups[one.group]}: {data.classes[one.label]}",
                value=one.change,
                low=one.interval.low,
                high=one.interval.high,
                n=int(column.counts[one.group].sum()),
            )
            for one in moved[:12]
        ],
    )

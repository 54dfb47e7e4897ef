"""How do gaps and accuracy change with the threshold of the decision?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.bias._decisions import (
    KINDS,
    PICTURE,
    SHARED,
    Kind,
    Sample,
    accuracy_change,
    cannot_decide,
    class_of,
    gap_or_why,
    least_of,
    samples,
    scored,
)
from auditkit.checks.bias._widest import widest
from auditkit.checks.parameters import require_least
from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError
from auditkit.findings import Curve, Evidence, Finding, Metric, Note, Series, Table
from auditkit.models.classifier import Classifier
from auditkit.types import Bools, Floats, Params, Scalar

PURPOSE = "threshold-sweep"
_EQUAL: tuple[Kind, ...] = ("tpr", "selection_rate")  # what per-group thresholds can make equal


def _gap(kind: Kind, denominator: str) -> Metric:
    return Metric(
        label=f"{KINDS[kind]} gap",
        definition=f"Largest minus smallest {KINDS[kind]} of the groups with at least minimum_n"
        f" {denominator}, where whoever scores above the threshold is decided for.",
        unit="share difference",
        better="lower",
        plain=f"With a threshold of {{threshold}}, the {KINDS[kind]} of groups by {{slice}} differs"
        " by {value}",
    )


@final
@dataclass(frozen=True, kw_only=True)
class ThresholdSweep(Check):
    """Gaps between groups over decision thresholds, and what one threshold per group would buy.

    Parameters
    ----------
    thresholds : tuple of float
        Where to cut the probability of the positive class, within (0, 1).
    positive : str
        The class that is decided for or against; of two classes the second by default.
    minimum_n : int
        Groups with fewer inputs in a rate's denominator take no part in its gap.

    Raises
    ------
    ConfigError
        If a parameter is outside its range.

    References
    ----------
    Hardt et al., 2016, arXiv:1610.02413, section 4 (a threshold per group).
    """

    meta: ClassVar[Meta] = Meta(
        id=PURPOSE,
        family="bias",
        question="How do gaps and accuracy change with the threshold of the decision?",
        explanation="Whoever has a probability of the positive class above a threshold is decided"
        " for. At every threshold the gaps between groups and the accuracy are counted. Besides,"
        " a threshold per group is fitted on one half of the inputs so that all groups have the"
        " true positive rate, or the selection rate, that all inputs have at 0.5; the gap that is"
        " left, and what it costs in accuracy, are measured on the other half.",
        not_shown=PICTURE + " The bands hold at one threshold at a time.",
        remedy="Where another threshold narrows a gap at little cost, ask first why the scores of"
        " the groups differ: base rates, labels or features. Decide about thresholds with those who"
        " answer for the decision.",
        metrics={
            "accuracy": Metric(
                label="accuracy",
                definition="Share of all inputs that are decided as they are labelled, for or"
                " against the positive class.",
                unit="share",
                better="higher",
            ),
            "selection_rate_gap": _gap("selection_rate", "inputs"),
            "tpr_gap": _gap("tpr", "inputs labelled positive"),
            "fpr_gap": _gap("fpr", "inputs not labelled positive"),
            "shared_gap": Metric(
                label="gap with one threshold for all",
                definition="Largest minus smallest rate of the groups at 0.5, on the half that was"
                " not fitted on, over the groups with at least minimum_n in the rate's"
                " denominator.",
                unit="share difference",
                better="lower",
            ),
            "equalised_gap": Metric(
                label="gap left with a threshold per group",
                definition="The same with the thresholds that made the rate equal on the other"
                " half.",
                unit="share difference",
                better="lower",
            ),
            "accuracy_change": Metric(
                label="accuracy change with a threshold per group",
                definition="Accuracy with a threshold per group less accuracy at 0.5, on the same"
                " inputs of the half that was not fitted on.",
                unit="share difference",
                better="higher",
            ),
        },
        headline=f"{PURPOSE}/selection_rate_gap/*",
        references=("Hardt et al., 2016, arXiv:1610.02413",),
    )
    thresholds: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    positive: str = ""
    minimum_n: int = 20

    def __post_init__(self) -> None:
        if not self.thresholds or len(set(self.thresholds)) < len(self.thresholds):
            raise ConfigError(
                f"{PURPOSE}: thresholds is {self.thresholds}, expected different numbers.",
                hint="Leave it out for 0.1 to 0.9.",
            )
        for one in self.thresholds:
            if not 0 < one < 1:
                raise ConfigError(
                    f"{PURPOSE}: a threshold is {one}, expected a value in (0, 1).",
                    hint="It is a probability of the positive class.",
                )
        require_least(
            self, minimum_n=1, hint="Leave it at 20: rates of smaller groups are mostly noise."
        )

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Where a class is decided for or against, and a column is called sensitive."""
        return super().applies(model, data) or cannot_decide(data, self.positive)

    def measure(self, artifacts: Artifacts) -> Records:
        """Note the score of every input."""
        return scored(artifacts, PURPOSE, self.positive)

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Cut the scores at every threshold."""
        columns = samples(records, context, self.positive)
        if not columns:
            return NotApplicable("all inputs belong to one group of every sensitive column")
        first = next(iter(columns.values()))
        ordered = sorted(self.thresholds)
        accuracy = [self._accuracy(first, t, context.level) for t in ordered]
        findings, evidence = list(accuracy), dict[str, Evidence]()
        evidence["picture"] = Note(title="What this is, and is not", text=_said(self, context))
        evidence["bought"] = _bought_table([])  # first; it is filled below
        fitted = records["fitted"].astype(np.bool_)
        heads, bought = list[Finding](), list[list[Scalar]]()
        for place, (name, sample) in enumerate(columns.items(), 1):
            gaps = self._gaps(name, sample, ordered, f"sweep-{place}", context)
            evidence[f"sweep-{place}"] = _curve(name, ordered, accuracy, gaps)
            own, table = self._per_group(name, sample, fitted, f"per-group-{place}", context)
            evidence[f"per-group-{place}"] = table
            bought += _bought(own)
            findings += [*(one for each in gaps.values() for one in each), *own]
            middle = int(np.argmin(np.abs(np.array(ordered) - SHARED)))
            heads.append(gaps["selection_rate"][middle])
        evidence["bought"] = _bought_table(bought)
        return Measured(
            findings=findings, evidence=evidence, headline=widest(heads, "selection_rate_gap")
        )

    def _accuracy(self, sample: Sample, threshold: float, level: float) -> Finding:
        right = sample.right(sample.score > threshold)
        return self.share(
            "accuracy", int(right.sum()), n=len(right), swept={"threshold": threshold},
            evidence=["sweep-1"], level=level,
        )  # fmt: skip

    def _gaps(
        self, name: str, sample: Sample, thresholds: list[float], key: str, context: Context
    ) -> dict[Kind, list[Finding]]:
        least = least_of(self.minimum_n, context.data)
        return {
            kind: [
                gap_or_why(
                    self, f"{kind}_gap", sample.gap(kind, sample.score > t, least), name,
                    n=len(sample.score), least=least, level=context.level,
                    swept={"threshold": t}, evidence=[key],
                )
                for t in thresholds
            ]
            for kind in KINDS
        }  # fmt: skip

    def _per_group(
        self, name: str, sample: Sample, fitted: Bools, key: str, context: Context
    ) -> tuple[list[Finding], Table]:
        """Fit a threshold per group on one half, and measure on the other."""
        least, level = least_of(self.minimum_n, context.data), context.level
        train, test = sample.at(fitted), sample.at(~fitted)
        shared = test.score > SHARED
        findings, rows, shown = list[Finding](), list[list[Scalar]](), [key, "bought"]
        for kind in _EQUAL:
            swept: Params = {"equal": kind}
            cuts = equalising(train, kind, least)
            own = test.score > cuts[test.codes]
            for metric, chosen in (("shared_gap", shared), ("equalised_gap", own)):
                gap = test.gap(kind, chosen, least)
                findings.append(
                    gap_or_why(
                        self, metric, gap, name, n=len(own), least=least, level=level, swept=swept,
                        evidence=shown,
                    )
                )  # fmt: skip
            findings.append(
                accuracy_change(
                    self, test, shared, own, name, level=level, swept=swept, evidence=shown
                )
            )
            rows += _rows(kind, test, cuts, own, shared)
        table = Table(
            title=f"A threshold per group of {name}, fitted on one half, measured on the other",
            columns=["made equal", "group", "threshold", "rate at 0.5", "rate then", "n"],
            rows=rows,
            units={"share": ["rate at 0.5", "rate then"]},
        )
        return findings, table


def _bought(found: list[Finding]) -> list[list[Scalar]]:
    """Return a row per rate that was made equal: the gap before and after, and the cost."""
    rows: list[list[Scalar]] = []
    for before, after, cost in zip(found[::3], found[1::3], found[2::3], strict=True):
        equal = KINDS["tpr" if before.params["equal"] == "tpr" else "selection_rate"]
        numbers = [end for one in (before, after, cost) for end in (one.value, one.low, one.high)]
        rows.append([before.slice, equal, *numbers])
    return rows


def _bought_table(rows: list[list[Scalar]]) -> Table:
    return Table(
        title="What a threshold per group would buy, and cost, on the half that was not fitted on",
        columns=[
            "by", "made equal", "gap at 0.5", "low", "high", "gap then", "low", "high",
            "accuracy change", "low", "high",
        ],
        rows=rows,
        units={
            "share difference": ["gap at 0.5", "gap then", "accuracy change", "low", "high"]
        },
    )  # fmt: skip


def equalising(train: Sample, kind: Kind, least: int) -> Floats:
    """Return the threshold of every group (g,) that gives it the rate of all inputs at 0.5.

    Groups with too few inputs in the denominator keep 0.5.

    Parameters
    ----------
    train : Sample
        Inputs to fit on.
    kind : Kind
        Which rate is made equal.
    least : int
        Fewest inputs in the denominator.
    """
    hits, totals = train.counts(kind, train.score > SHARED)
    cuts = np.full(len(train.groups), SHARED)
    if totals.sum() == 0:
        return cuts
    target = hits.sum() / totals.sum()
    inside = train.positive if kind == "tpr" else np.ones(len(train.score), dtype=np.bool_)
    for g in np.flatnonzero(totals >= least).tolist():
        ordered = np.sort(train.score[inside & (train.codes == g)])[::-1]
        above = round(target * len(ordered))  # so many of the group are decided for
        ends = np.concatenate([[1.0], ordered, [0.0]])
        cuts[g] = (ends[above] + ends[above + 1]) / 2  # between two neighbours
    return cuts


def _rows(kind: Kind, test: Sample, cuts: Floats, own: Bools, shared: Bools) -> list[list[Scalar]]:
    before, n = test.counts(kind, shared)
    after = test.counts(kind, own)[0]
    return [
        [
            KINDS[kind], group, float(cuts[g]),
            float(before[g] / n[g]) if n[g] else None,
            float(after[g] / n[g]) if n[g] else None, int(n[g]),
        ]
        for g, group in enumerate(test.groups)
    ]  # fmt: skip


def _curve(
    name: str, thresholds: list[float], accuracy: list[Finding], gaps: dict[Kind, list[Finding]]
) -> Curve:
    lines = {"accuracy": accuracy} | {f"gap of the {KINDS[k]}": one for k, one in gaps.items()}
    return Curve(
        title=f"Accuracy, and gaps between groups of {name}, over the threshold",
        x_label="threshold on the probability of the positive class",
        y_label="share",
        series=[
            Series(
                name=label,
                x=list(thresholds),
                y=[one.value for one in found],
                low=[one.low for one in found],
                high=[one.high for one in found],
            )
            for label, found in lines.items()
            if any(one.value is not None for one in found)
        ],
    )


def _said(check: ThresholdSweep, context: Context) -> str:
    positive = context.data.classes[class_of(context.data, check.positive)]
    return f"Decided for or against: {positive!r}. {PICTURE}"

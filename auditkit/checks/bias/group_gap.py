"""Are groups treated alike?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.bias._groups import (
    OF_A_CLASS,
    WORDS,
    Column,
    Gap,
    Rate,
    bars,
    classes_table,
    column_of,
    compare,
    definitions,
    gaps_table,
    names_of,
    nothing_to_compare,
    positives,
    rates_table,
    small_groups_table,
)
from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError
from auditkit.findings import Evidence, Finding, Metric
from auditkit.methods.metrics.groups import distance_interval, distance_p, largest_distance
from auditkit.models.classifier import Classifier
from auditkit.statistics import Interval, bonferroni, gap_of_shares, gap_p


def _metrics() -> dict[str, Metric]:
    metrics = {
        rate: Metric(label=w.label, definition=w.definition, unit="share", better=w.better)
        for rate, w in WORDS.items()
    }
    for rate, w in WORDS.items():
        metrics[f"{rate}_gap"] = Metric(
            label=f"{w.label} gap",
            definition=f"Largest minus smallest {w.label} of the groups with at least minimum_n"
            f" {w.denominator}. With more than two classes the widest gap of any class against the"
            " rest (accuracy excepted).",
            unit="share",
            better="lower",
        )
        metrics[f"{rate}_gap_p"] = _p_metric(f"{w.label} gap", w.denominator)
    metrics["prediction_distance"] = Metric(
        label="distance of predictions",
        definition="Largest total variation distance between two groups' distributions of"
        " predicted classes: half the sum over classes of |share - share|. Groups with at least"
        " minimum_n inputs; more than two classes.",
        unit="share",
        better="lower",
    )
    metrics["prediction_distance_p"] = _p_metric("distance of predictions", "inputs")
    return metrics


def _p_metric(label: str, denominator: str) -> Metric:
    return Metric(
        label=f"p-value of the {label}",
        definition=f"(1 + permutations of the groups of the {denominator} with at least the"
        " observed value) / (1 + permutations); over several classes the smallest times their"
        " number. A large value is not evidence of equal treatment: few inputs give one too.",
        unit="p",
        better="neither",
    )


@final
@dataclass(frozen=True, kw_only=True)
class GroupGap(Check):
    """Accuracy, selection rate, TPR and FPR per group, and how far the groups lie apart.

    Of two classes the second (index 1) is the positive one; of more, each is held against the rest.
    Sensitive columns are compared; without any, every column, those derived from the inputs among
    them, which the evidence names as derived.

    Parameters
    ----------
    minimum_n : int
        A group with fewer inputs in a rate's denominator is shown, but left out of the rate's gap:
        a group of one would make every gap 1.
    permutations : int
        Permutations behind each p-value.

    Raises
    ------
    ConfigError
        If `minimum_n` is below 1 or `permutations` below 100.

    References
    ----------
    Hardt et al., 2016, arXiv:1610.02413; Newcombe, 1998, Statistics in Medicine 17, 873-890.
    """

    meta: ClassVar[Meta] = Meta(
        id="group-gap",
        family="bias",
        question="Are groups treated alike?",
        explanation="Rates are counted for every group of a column, each with an interval. A gap is"
        " the largest rate minus the smallest; a permutation test asks whether chance alone would"
        " give such a gap, and the interval, which allows for having picked the extremes, says how"
        " large it may be.",
        not_shown="Why groups differ: base rates, label errors and photographic conditions can all"
        " widen a gap. Groups that no column names, and combinations of columns. Equal rates do not"
        " make a decision fair.",
        remedy="Look at the group with the lowest rate: collect or re-weight its training data,"
        " check its labels, and measure again on new inputs.",
        metrics=_metrics(),
        headline="group-gap/accuracy_gap/*",
        references=(
            "Hardt et al., 2016, arXiv:1610.02413",
            "Newcombe, 1998, Statistics in Medicine 17, 873-890",
        ),
    )
    minimum_n: int = 20
    permutations: int = 2000

    def __post_init__(self) -> None:
        if self.minimum_n < 1:
            raise ConfigError(
                f"group-gap: minimum_n is {self.minimum_n}, expected at least 1.",
                hint="Leave it at 20: rates of smaller groups are mostly noise.",
            )
        if self.permutations < 100:
            raise ConfigError(
                f"group-gap: permutations is {self.permutations}, expected at least 100.",
                hint="Leave it at 2000: p cannot fall below 1 / (permutations + 1).",
            )

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Say why no groups can be compared."""
        return super().applies(model, data) or nothing_to_compare(data)

    def measure(self, artifacts: Artifacts) -> Records:
        """Note what was predicted."""
        clean = artifacts[Predictions]
        return Records(
            artifacts.ids, predicted=clean.predicted.numpy(), correct=clean.correct.numpy()
        )

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Compare the groups of every column."""
        data, level = context.data, context.level
        if nothing := nothing_to_compare(data):
            return nothing
        binary = len(data.classes) == 2
        shown: list[Rate] = ["accuracy", *OF_A_CLASS] if binary else ["accuracy"]
        columns = [column_of(name, records["predicted"], data) for name in names_of(data)]
        findings: list[Finding] = []
        evidence: dict[str, Evidence] = {"definitions": definitions(data, columns)}
        for i, column in enumerate((one for one in columns if len(one.groups) > 1), 1):
            for rate in shown:
                found = self._rates(column, rate, i, level)
                findings += found
                evidence[f"{_slug(rate)}-{i}"] = bars(column, rate, found)
            evidence[f"rates-{i}"] = rates_table(column, shown, data, level)
            gaps: dict[Rate, Gap | None] = {
                rate: self._gap(column, rate, context) for rate in WORDS
            }
            for rate, gap in gaps.items():
                findings += self._gap_findings(column, rate, gap, i, level)
            evidence[f"gaps-{i}"] = gaps_table(column, gaps, data)
            if not binary:
                findings += self._distance(column, i, context)
                evidence[f"classes-{i}"] = classes_table(
                    column, data, minimum_n=self.minimum_n, level=level
                )
        if small := small_groups_table(columns, shown, self.minimum_n):
            evidence["small-groups"] = small
        known = [one for one in findings if one.metric == "accuracy_gap" and one.high is not None]
        widest = max(known, key=lambda one: one.high or 0.0, default=None)
        return Measured(
            findings=findings, evidence=evidence, headline=widest.id if widest else None
        )

    def _rates(self, column: Column, rate: Rate, position: int, level: float) -> list[Finding]:
        hits, totals = column.rates(rate, 1)
        findings: list[Finding] = []
        for group, hit, total in zip(column.groups, hits.tolist(), totals.tolist(), strict=True):
            where = f"{column.name}={group}"
            if total == 0:
                why = f"the group has no {WORDS[rate].denominator}"
                findings.append(self.undefined(rate, why, n=0, slice_name=where))
                continue
            findings.append(
                self.share(
                    rate,
                    hit,
                    n=total,
                    slice_name=where,
                    evidence=[f"{_slug(rate)}-{position}", f"rates-{position}"],
                    level=level,
                )
            )
        return findings

    def _gap(self, column: Column, rate: Rate, context: Context) -> Gap | None:
        compared = [
            one
            for positive in positives(rate, context.data)
            if (one := compare(column, rate, positive, minimum_n=self.minimum_n))
        ]
        if not compared:
            return None
        each = [
            gap_of_shares(*one.rates, level=context.level, families=len(compared))
            for one in compared
        ]
        p_values = [
            gap_p(
                *one.rates,
                seed=context.key("group-gap", column.name, rate, one.positive),
                permutations=self.permutations,
            )
            for one in compared
        ]
        return Gap(
            widest=max(compared, key=lambda one: one.gap),
            interval=Interval(max(low for low, _ in each), max(high for _, high in each)),
            method="newcombe" if all(len(one.groups) == 2 for one in compared) else "simultaneous",
            p=bonferroni(p_values),
            classes=len(compared),
        )

    def _gap_findings(
        self, column: Column, rate: Rate, gap: Gap | None, position: int, level: float
    ) -> list[Finding]:
        metric, p_metric = f"{rate}_gap", f"{rate}_gap_p"
        if gap is None:
            why = f"fewer than two groups have {self.minimum_n} {WORDS[rate].denominator}"
            n = int(column.counts.n.sum())
            return [
                self.undefined(one, f"{why} (minimum_n)", n=n, slice_name=column.name)
                for one in (metric, p_metric)
            ]
        n = int(gap.widest.rates.totals.sum())
        evidence = [f"gaps-{position}", f"rates-{position}"]
        return [
            self.value(
                metric,
                gap.widest.gap,
                n=n,
                interval=gap.interval,
                method=gap.method,
                slice_name=column.name,
                evidence=evidence,
                level=level,
            ),
            self._p(p_metric, gap.p, n, column, evidence),
        ]

    def _p(self, metric: str, p: float, n: int, column: Column, evidence: list[str]) -> Finding:
        return self.value(
            metric,
            p,
            n=n,
            interval=None,
            method="exact",
            slice_name=column.name,
            evidence=evidence,
        )

    def _distance(self, column: Column, position: int, context: Context) -> list[Finding]:
        enough = column.counts.n >= self.minimum_n
        counts, where = column.counts.predicted[enough], column.name
        metrics = ("prediction_distance", "prediction_distance_p")
        if len(counts) < 2:
            why = f"fewer than two groups have {self.minimum_n} inputs (minimum_n)"
            n = int(column.counts.n.sum())
            return [self.undefined(one, why, n=n, slice_name=where) for one in metrics]
        n, seed = int(counts.sum()), context.key("group-gap", where, "distance")
        evidence = [f"classes-{position}"]
        return [
            self.value(
                metrics[0],
                float(largest_distance(counts)),
                n=n,
                interval=distance_interval(counts, seed=seed, level=context.level),
                method="noise-bound",
                slice_name=where,
                evidence=evidence,
                level=context.level,
            ),
            self._p(
                metrics[1],
                distance_p(counts, seed=seed, permutations=self.permutations),
                n,
                column,
                evidence,
            ),
        ]


def _slug(rate: Rate) -> str:
    return rate.replace("_", "-")

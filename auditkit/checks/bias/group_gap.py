"""Are groups treated alike?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.bias._crossings import crossings_of
from auditkit.checks.bias._gap_tables import (
    Adjusted,
    GapRow,
    Tested,
    adjusted,
    bars,
    classes_table,
    definitions,
    four_fifths,
    gaps_table,
    rates_table,
    scores_table,
    small_groups_table,
    worst_cells_table,
)
from auditkit.checks.bias._gap_words import (
    AdjustedGap,
    GapInWords,
    gaps_in_words,
    in_short,
    words_table,
)
from auditkit.checks.bias._groups import (
    COMPARED,
    SHOWN,
    WORDS,
    Column,
    Compared,
    Gap,
    Grouping,
    Rate,
    column_of,
    compare,
    positives,
    scores_of,
)
from auditkit.checks.bias._widest import surest, widest
from auditkit.checks.groups import groups_of, names_of, nothing_to_compare
from auditkit.checks.parameters import require_least
from auditkit.data.dataset import Dataset
from auditkit.findings import Evidence, Finding, Metric
from auditkit.methods.metrics.calibration import errors_of_groups
from auditkit.methods.metrics.classification import log_probabilities
from auditkit.methods.metrics.groups import (
    distance_interval,
    distance_p,
    largest_distance,
    means_p,
)
from auditkit.models.classifier import Classifier
from auditkit.statistics import (
    Interval,
    bonferroni,
    gap_of_bounded_means,
    gap_of_shares,
    gap_p,
    lowest_share,
    mean_limits,
    ratio_of_shares,
    standard_errors,
)
from auditkit.types import Better, Floats

ODDS: tuple[Rate, ...] = ("tpr", "fpr")
CROSSED = "intersection_"  # before the metrics of an intersection: a limit names them apart


def _metrics() -> dict[str, Metric]:
    metrics = {
        rate: Metric(label=w.label, definition=w.definition, unit="share", better=w.better)
        for rate, w in WORDS.items()
    }
    metrics["mean_score"] = _share(
        "mean score",
        "Mean probability of the positive class over all inputs of the group; two classes.",
        "neither",
    )
    metrics["ece"] = _share(
        "calibration error within the group",
        "Mean over the group's inputs of |share that is so - mean score| of the input's bin, 15"
        " bins. Of two classes the score is the probability of the positive class, and 'so' is"
        " being labelled positive; of more it is the confidence, and being right. The value"
        " includes what chance adds; the interval is for the error of the population, without it.",
        "lower",
    )
    for name, one in _of_columns().items():
        metrics[name] = one
        metrics[CROSSED + name] = one.model_copy(
            update={
                "label": f"{one.label} (intersection)",
                "definition": f"The same over the cells of an intersection. {one.definition}",
            }
        )
    return metrics


def _of_columns() -> dict[str, Metric]:
    metrics: dict[str, Metric] = {}
    for rate in COMPARED:
        w = WORDS[rate]
        several = "" if rate == "accuracy" else " Of more than two classes, the widest of any."
        metrics[f"{rate}_gap"] = _gap(
            f"{w.label} gap",
            f"How far the groups lie apart, in percentage points: the largest {w.label} minus the"
            f" smallest. {w.definition} Groups with fewer than minimum_n {w.denominator} are left"
            f" out.{several}{_ALSO.get(rate, '')}",
            plain=f"The {w.label} of groups by {{slice}} differs by {{value}}",
        )
        metrics[f"{rate}_gap_p"] = _p_metric(f"{w.label} gap", w.denominator)
    metrics["equalized_odds_difference"] = _gap(
        "equalised odds difference",
        "How far mistakes are spread unevenly over the groups: the larger of the true and the false"
        " positive rate gaps, over all classes; undefined where either is.",
    )
    metrics["equalized_odds_difference_p"] = _p_metric(
        "equalised odds difference", "inputs with, and without, the positive label"
    )
    metrics["selection_rate_ratio"] = _share(
        "demographic parity ratio",
        "Smallest over largest selection rate of the groups with at least minimum_n inputs; two"
        " classes. Undefined where nobody is selected. The four-fifths rule asks for 0.8.",
        "higher",
    )
    metrics["worst_group_accuracy"] = _share(
        "worst-group accuracy",
        "Lowest accuracy of the inputs of one label within one group, over the cells with at least"
        " minimum_n inputs.",
        "higher",
    )
    metrics["worst_group_ece"] = _share(
        "worst calibration error within a group",
        "Largest calibration error of the groups with at least minimum_n inputs. Small groups show"
        " a larger one by chance; the interval is without that.",
        "lower",
    )
    metrics["score_gap"] = _gap(
        "mean score gap",
        "Largest minus smallest mean probability of the positive class of the groups with at least"
        " minimum_n inputs; two classes.",
    )
    metrics["score_gap_p"] = _p_metric("mean score gap, scores rounded to 20 levels,", "inputs")
    metrics["prediction_distance"] = _share(
        "distance of predictions",
        "Largest total variation distance between two groups' distributions of"
        " predicted classes: half the sum over classes of |share - share|. Groups with at least"
        " minimum_n inputs; more than two classes.",
        "lower",
    )
    metrics["prediction_distance_p"] = _p_metric("distance of predictions", "inputs")
    return metrics


_ALSO: dict[Rate, str] = {
    "selection_rate": " Also called demographic parity difference.",
    "tpr": " Also called equal opportunity difference, and the gap of the false negative rate.",
    "ppv": " Also called predictive parity difference.",
}


def _share(label: str, definition: str, better: Better) -> Metric:
    return Metric(label=label, definition=definition, unit="share", better=better)


def _gap(label: str, definition: str, plain: str = "") -> Metric:
    return Metric(
        label=label, definition=definition, unit="share difference", better="lower", plain=plain
    )


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
    """Rates, scores and calibration per group, and how far the groups lie apart.

    Of two classes the second (index 1) is the positive one; of more, each is held against the rest.
    Sensitive columns are compared, and the intersections of every two and of all of them; without
    any, every column, those derived from the inputs among them, which the evidence names as
    derived. Metrics of an intersection have names of their own, so that a limit means one or the
    other.

    Parameters
    ----------
    minimum_n : int
        A group with fewer inputs in a rate's denominator is shown, but left out of the rate's gap:
        a group of one would make every gap 1.
    permutations : int
        Permutations behind each p-value.
    most_cells : int
        Of an intersection with more cells than this only the largest are compared.

    Raises
    ------
    ConfigError
        If `minimum_n` is below 1, `permutations` below 100 or `most_cells` below 2.

    References
    ----------
    Hardt et al., 2016, arXiv:1610.02413; Newcombe, 1998, Statistics in Medicine 17, 873-890.
    """

    meta: ClassVar[Meta] = Meta(
        id="group-gap",
        family="bias",
        question="Are groups treated alike?",
        explanation="For every group it is counted how often the model is right, how often it gives"
        " each answer, and how often it is wrong in either direction. A gap is the largest of these"
        " rates minus the smallest, in percentage points: 31 % in one group and 10 % in another are"
        " a gap of 21 points. Groups differ a little by luck, the small ones most, so each gap has"
        " an interval, which says how large it may be among all those the data were drawn from, and"
        " a test: were the groups dealt out at random, how often would they lie as far apart? The"
        " interval allows for having picked the two groups at the ends. A gap that both test and"
        " interval call more than chance is called so; where one of them does, perhaps.",
        not_shown="Why groups differ: base rates, label errors and photographic conditions can all"
        " widen a gap. Groups that no column names. Equal rates do not"
        " make a decision fair.",
        remedy="Look at the group with the lowest rate: collect or re-weight its training data,"
        " check its labels, and measure again on new inputs.",
        metrics=_metrics(),
        headline="group-gap/accuracy_gap/*",
        version=3,
        references=(
            "Hardt et al., 2016, arXiv:1610.02413",
            "Newcombe, 1998, Statistics in Medicine 17, 873-890",
        ),
    )
    minimum_n: int = 20
    permutations: int = 2000
    most_cells: int = 100

    def __post_init__(self) -> None:
        require_least(
            self, minimum_n=1, hint="Leave it at 20: rates of smaller groups are mostly noise."
        )
        require_least(
            self,
            permutations=100,
            hint="Leave it at 2000: p cannot fall below 1 / (permutations + 1).",
        )

        require_least(self, most_cells=2, hint="Leave it at 100.")

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Say why no groups can be compared."""
        return super().applies(model, data) or nothing_to_compare(data)

    def measure(self, artifacts: Artifacts) -> Records:
        """Note what was predicted, and the score behind it."""
        clean = artifacts[Predictions]
        chances = np.exp(log_probabilities(clean.logits.numpy()))  # (n, k)
        return Records(
            artifacts.ids,
            predicted=clean.predicted.numpy(),
            correct=clean.correct.numpy(),
            score=chances[:, 1] if chances.shape[1] == 2 else chances.max(axis=1),
        )

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Compare the groups of every column and intersection."""
        data = context.data
        if nothing := nothing_to_compare(data):
            return nothing
        columns, left_out = self._columns(records, data)
        parts = [
            _Part(self, column, context, i)
            for i, column in enumerate((one for one in columns if len(one.groups) > 1), 1)
        ]
        tested = [one for part in parts for one in part.tested()]
        chance = adjusted(tested, 1 - context.level)
        evidence: dict[str, Evidence] = {"definitions": definitions(data, columns, left_out)}
        said = [part.in_words(chance) for part in parts if not part.column.crossed]
        if any(said):
            evidence["short"] = in_short([one for each in said for one in each])
            evidence |= {f"words-{i}": words_table(each) for i, each in enumerate(said, 1) if each}
        if ratios := [one for part in parts for one in part.four_fifths()]:
            evidence["four-fifths"] = four_fifths(ratios)
        if tested:
            evidence |= {"multiplicity": chance.note, "tested": chance.table}
        for part in parts:
            evidence |= part.evidence(chance.p)
        shown = SHOWN if len(data.classes) == 2 else SHOWN[:1]
        if small := small_groups_table(columns, shown, self.minimum_n):
            evidence["small-groups"] = small
        findings = [one for part in parts for one in part.findings]
        first = surest(findings, [f"{rate}_gap" for rate in COMPARED]) if data.sensitive else None
        return Measured(
            findings=findings,
            evidence=evidence,
            headline=first or widest(findings, "accuracy_gap"),
        )

    def _columns(self, records: Records, data: Dataset) -> tuple[list[Column], list[str]]:
        binary, score = len(data.classes) == 2, records["score"]
        scores = scores_of(score, data.labels == 1 if binary else records["correct"])
        plain = [Grouping(name, *groups_of(name, data)) for name in names_of(data)]
        crossed, left_out = crossings_of(plain, data, most_cells=self.most_cells)
        return [
            column_of(one, records["predicted"], scores, data) for one in [*plain, *crossed]
        ], left_out


@final
class _Part:
    """What a check says of one column or intersection."""

    def __init__(self, check: GroupGap, column: Column, context: Context, position: int) -> None:
        self.check, self.column, self.context, self.position = check, column, context, position
        self.data, self.level = context.data, context.level
        self.binary = len(self.data.classes) == 2
        self.shown: tuple[Rate, ...] = SHOWN if self.binary else SHOWN[:1]
        self.prefix = CROSSED if column.crossed else ""
        self.enough = np.flatnonzero(column.counts.n >= check.minimum_n)
        # Most cells of an intersection are small: those have their rows in the tables alone.
        self.listed: list[int] = (
            self.enough.tolist() if column.crossed else list(range(len(column.groups)))
        )
        self.cells: dict[Rate, list[Compared]] = {rate: self._cells(rate) for rate in COMPARED}
        self.each = {
            (one.rate, one.positive): self._p_of(one)
            for cells in self.cells.values()
            for one in cells
        }
        self.gaps: dict[Rate, Gap | None] = {
            rate: self._gap(cells) for rate, cells in self.cells.items()
        }
        both = all(self.cells[rate] for rate in ODDS)
        self.odds = self._gap([one for rate in ODDS for one in self.cells[rate]]) if both else None
        self.rates: dict[Rate, list[Finding]] = {
            rate: list(self._rates(rate)) for rate in self.shown
        }
        self.means = list(self._means()) if self.binary else []
        self.errors, worst_error = self._errors()
        self.ratio, self.score, self.distance = self._ratio(), self._score(), self._distance()
        self.findings = [one for found in self.rates.values() for one in found]
        self.findings += [*self.means, *self.errors]
        for rate, gap in self.gaps.items():
            self.findings += self._gap_findings(f"{rate}_gap", gap, WORDS[rate].denominator)
        words = "inputs with and without the positive label"
        self.findings += self._gap_findings("equalized_odds_difference", self.odds, words)
        self.findings += [*self.ratio, self._worst_cell(), worst_error, *self.score]
        self.findings += self.distance

    # --- what is computed ------------------------------------------------------------------------

    def _cells(self, rate: Rate) -> list[Compared]:
        return [
            one
            for positive in positives(rate, self.data)
            if (one := compare(self.column, rate, positive, minimum_n=self.check.minimum_n))
        ]

    def _p_of(self, one: Compared) -> float:
        return gap_p(
            *one.rates,
            seed=self.context.key("group-gap", self.column.name, one.rate, one.positive),
            permutations=self.check.permutations,
        )

    def _gap(self, cells: Sequence[Compared]) -> Gap | None:
        if not cells:
            return None
        each = [gap_of_shares(*one.rates, level=self.level, families=len(cells)) for one in cells]
        return Gap(
            widest=max(cells, key=lambda one: one.gap),
            interval=Interval(max(low for low, _ in each), max(high for _, high in each)),
            method="newcombe" if all(len(one.groups) == 2 for one in cells) else "simultaneous",
            p=bonferroni([self.each[one.rate, one.positive] for one in cells]),
            mean=float(np.mean([one.gap for one in cells])),
            classes=len({one.positive for one in cells}),
        )

    # --- groups ----------------------------------------------------------------------------------

    def _rates(self, rate: Rate) -> Iterator[Finding]:
        hits, totals = self.column.rates(rate, 1)
        evidence = [f"rates-{self.position}"]
        if not self.column.crossed:
            evidence.insert(0, f"{_slug(rate)}-{self.position}")
        for g in self.listed:
            hit, total = int(hits[g]), int(totals[g])
            where = f"{self.column.name}={self.column.groups[g]}"
            if total == 0:
                why = f"the group has no {WORDS[rate].denominator}"
                yield self.check.undefined(rate, why, n=0, slice_name=where)
                continue
            yield self.check.share(
                rate, hit, n=total, slice_name=where, evidence=evidence, level=self.level
            )

    def _means(self) -> Iterator[Finding]:
        n, means = self.column.counts.n, self.column.scores.means
        lows, highs = mean_limits(means, self._standard_errors(), level=self.level)
        for g in self.listed:
            yield self.check.value(
                "mean_score",
                float(means[g]),
                n=int(n[g]),
                interval=Interval(float(lows[g]), float(highs[g])),
                method="adjusted-normal",
                slice_name=f"{self.column.name}={self.column.groups[g]}",
                evidence=[f"scores-{self.position}"],
                level=self.level,
            )

    def _standard_errors(self) -> Floats:
        scores = self.column.scores
        return standard_errors(self.column.counts.n, scores.means, scores.squares)

    def _errors(self) -> tuple[list[Finding], Finding]:
        """Return the calibration error of every group, and the worst of the larger groups."""
        tables = self.column.scores.reliability
        small = np.setdiff1d(self.listed, self.enough)
        limits: dict[int, Interval] = {}
        worst = None
        for groups in (small, self.enough):  # only the larger ones take part in the worst
            if len(groups):
                found, worst = errors_of_groups(
                    [tables[g] for g in groups],
                    seed=self.context.key("group-gap", self.column.name, "ece"),
                    level=self.level,
                )
                limits |= dict(zip(groups.tolist(), found, strict=True))
        evidence = [f"scores-{self.position}"]
        each = [
            self.check.value(
                "ece",
                tables[g].error,
                n=int(tables[g].count.sum()),
                interval=limits[g],
                method="noise-bound",
                slice_name=f"{self.column.name}={self.column.groups[g]}",
                evidence=evidence,
                level=self.level,
            )
            for g in self.listed
        ]
        if not len(self.enough):
            return each, self._undefined("worst_group_ece", self._too_few("one group has"))
        largest = max(self.enough.tolist(), key=lambda g: tables[g].error)
        n = int(self.column.counts.n[largest])
        return each, self._value(
            "worst_group_ece", tables[largest].error, n, worst, "noise-bound", evidence
        )

    # --- the column ------------------------------------------------------------------------------

    def _value(
        self,
        metric: str,
        value: float,
        n: int,
        interval: Interval | None,
        method: str,
        evidence: list[str],
    ) -> Finding:
        return self.check.value(
            self.prefix + metric,
            value,
            n=n,
            interval=interval,
            method=method,
            slice_name=self.column.name,
            evidence=evidence,
            level=self.level,
        )

    def _undefined(self, metric: str, why: str) -> Finding:
        n = int(self.column.counts.n.sum())
        return self.check.undefined(self.prefix + metric, why, n=n, slice_name=self.column.name)

    def _too_few(self, who: str = "two groups have", what: str = "inputs") -> str:
        return f"fewer than {who} {self.check.minimum_n} {what} (minimum_n)"

    def _gap_findings(self, metric: str, gap: Gap | None, denominator: str) -> list[Finding]:
        if gap is None:
            why = self._too_few(what=denominator)
            return [self._undefined(one, why) for one in (metric, f"{metric}_p")]
        n, evidence = int(gap.widest.rates.totals.sum()), [f"gaps-{self.position}"]
        evidence.append(f"rates-{self.position}")
        return [
            self._value(metric, gap.widest.gap, n, gap.interval, gap.method, evidence),
            self._value(f"{metric}_p", gap.p, n, None, "exact", evidence),
        ]

    def _ratio(self) -> list[Finding]:
        if not self.binary:
            return []
        metric = "selection_rate_ratio"
        if not self.cells["selection_rate"]:
            return [self._undefined(metric, self._too_few())]
        hits, totals = self.cells["selection_rate"][0].rates
        if not hits.any():
            return [self._undefined(metric, "no group has a prediction of the positive class")]
        shares = hits / totals
        return [
            self._value(
                metric,
                float(shares.min() / shares.max()),
                int(totals.sum()),
                ratio_of_shares(hits, totals, level=self.level),
                method="log-newcombe" if len(hits) == 2 else "simultaneous",
                evidence=[f"rates-{self.position}", "four-fifths"],
            )
        ]

    def _worst_cell(self) -> Finding:
        counts, metric = self.column.counts, "worst_group_accuracy"
        enough = counts.labels >= self.check.minimum_n
        if not enough.any():
            return self._undefined(metric, self._too_few("one label of a group has"))
        hits, totals = counts.hits[enough], counts.labels[enough]
        worst = int((hits / totals).argmin())
        return self._value(
            metric,
            float(hits[worst] / totals[worst]),
            int(totals[worst]),
            lowest_share(hits, totals, level=self.level),
            "simultaneous",
            [f"worst-{self.position}"],
        )

    def _score(self) -> list[Finding]:
        if not self.binary:
            return []
        metrics, scores = ("score_gap", "score_gap_p"), self.column.scores
        if len(self.enough) < 2:
            return [self._undefined(one, self._too_few()) for one in metrics]
        means, n = scores.means[self.enough], int(self.column.counts.n[self.enough].sum())
        method = "square-and-add" if len(means) == 2 else "simultaneous"
        interval = gap_of_bounded_means(
            means, self._standard_errors()[self.enough], level=self.level
        )
        p = means_p(
            scores.binned[self.enough],
            scores.bin_means,
            seed=self.context.key("group-gap", self.column.name, "score"),
            permutations=self.check.permutations,
        )
        evidence = [f"scores-{self.position}"]
        return [
            self._value(metrics[0], float(np.ptp(means)), n, interval, method, evidence),
            self._value(metrics[1], p, n, None, "exact", evidence),
        ]

    def _distance(self) -> list[Finding]:
        if self.binary:
            return []
        counts = self.column.counts.predicted[self.enough]
        metrics = ("prediction_distance", "prediction_distance_p")
        if len(counts) < 2:
            return [self._undefined(one, self._too_few()) for one in metrics]
        n, seed = int(counts.sum()), self._seed("distance")
        interval = distance_interval(counts, seed=seed, level=self.level)
        p = distance_p(counts, seed=seed, permutations=self.check.permutations)
        evidence = [f"classes-{self.position}"]
        value = float(largest_distance(counts))
        return [
            self._value(metrics[0], value, n, interval, "noise-bound", evidence),
            self._value(metrics[1], p, n, None, "exact", evidence),
        ]

    def _seed(self, purpose: str) -> int:
        return self.context.key("group-gap", self.column.name, purpose)

    # --- what is shown ---------------------------------------------------------------------------

    def tested(self) -> list[Tested]:
        """Return every p-value of this column, by what it is a p-value of."""
        found = [one for one in self.findings if one.unit == "p" and one.value is not None]
        return [
            Tested(_LABELS[one.metric.removeprefix(self.prefix)], self.column.name, one.value)
            for one in found
            if one.value is not None
        ]

    def four_fifths(self) -> list[tuple[str, Interval, float]]:
        """Return name, interval and value of the ratio of selection rates, where it is defined."""
        return [
            (self.column.name, Interval(one.low, one.high), one.value)
            for one in self.ratio
            if one.value is not None and one.low is not None and one.high is not None
        ]

    def in_words(self, chance: Adjusted) -> list[GapInWords]:
        """Return the gaps of the column for readers who know no rates."""
        gaps = [
            AdjustedGap(rate, gap, chance.p[f"{WORDS[rate].label} gap", self.column.name])
            for rate, gap in self.gaps.items()
            if gap is not None
        ]
        return gaps_in_words(self.column, gaps, self.data, alpha=1 - self.level)

    def evidence(self, p: dict[tuple[str, str], float]) -> dict[str, Evidence]:
        """Return what the findings rest on, by key."""
        i, column, data = self.position, self.column, self.data
        evidence: dict[str, Evidence] = {}
        if not column.crossed:
            evidence |= {
                f"{_slug(rate)}-{i}": bars(column, rate, self.rates[rate], data)
                for rate in self.shown
            }
        evidence[f"rates-{i}"] = rates_table(column, self.shown, data, self.level)
        rows = [self._row(WORDS[rate].label, gap) for rate, gap in self.gaps.items()]
        rows.append(self._row("equalised odds", self.odds))
        evidence[f"gaps-{i}"] = gaps_table(column, rows, p)
        evidence[f"scores-{i}"] = scores_table(column, self.listed, self.means, self.errors)
        evidence[f"worst-{i}"] = worst_cells_table(column, data, self.check.minimum_n, self.level)
        if not self.binary:
            evidence[f"classes-{i}"] = classes_table(
                column, data, minimum_n=self.check.minimum_n, level=self.level
            )
        return evidence

    def _row(self, label: str, gap: Gap | None) -> GapRow:
        if gap is None or gap.widest.rate == "accuracy":
            return GapRow(label, gap, "all")
        return GapRow(label, gap, self.data.classes[gap.widest.positive])


_LABELS: dict[str, str] = {
    **{f"{rate}_gap_p": f"{WORDS[rate].label} gap" for rate in COMPARED},
    "equalized_odds_difference_p": "equalised odds gap",
    "score_gap_p": "mean score gap",
    "prediction_distance_p": "distance of predictions",
}


def _slug(rate: Rate) -> str:
    return rate.replace("_", "-")

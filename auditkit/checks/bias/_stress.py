"""Does a stress widen the gap between groups? One answer for every kind of stress."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.checks.base import Check, Context, NotApplicable, Records
from auditkit.checks.groups import gap_p_metric, groups_of, names_of, nothing_to_compare
from auditkit.checks.parameters import require_least
from auditkit.data.dataset import Dataset
from auditkit.findings import Bar, Bars, Evidence, Finding, Metric, Table
from auditkit.models.classifier import Classifier
from auditkit.randomness import generator
from auditkit.statistics import (
    Interval,
    clopper_pearson,
    gap_of_bounded_means,
    gap_of_differences,
    gap_of_shares,
    gap_p,
    holm_adjusted,
    mean_limits,
    newcombe_paired,
    permutation_p,
    standard_errors,
)
from auditkit.types import Bools, Floats, Ints, Params, Scalar


@final
@dataclass(frozen=True, kw_only=True)
class Stress:
    """What a stress did to each input.

    Any two numbers per input can be held against each other, where a group's mean of the first less
    its mean of the second is what the group loses: right without and with an attack; right, and the
    share of its corrupted copies that are right; the confidence, and whether it was deserved. For
    alarms: no alarm before (all true), and none under a shift.

    Parameters
    ----------
    words : str
        What it was, such as "under attack within 0.02".
    metric : str
        What the share of inputs that are right under it is called, such as "robust_accuracy".
    before, after : ndarray
        (n,) bool, right without and with it; or (n,) float, numbers between 0 and 1.
    controls : tuple of str
        Ids of the findings that tell whether the stress was one.
    drop : str
        What the difference of a group is called; its gap is the metric `<drop>_gap`.
    called : (str, str, str)
        Column names of a group's mean before, after, and of their difference.
    swept : dict
        What tells the findings of one stress from those of another of the same check.
    """

    words: str
    metric: str
    before: Bools | Floats
    after: Bools | Floats
    controls: tuple[str, ...] = ()
    drop: str = "drop"
    called: tuple[str, str, str] = ("accuracy", "under stress", "drop")
    swept: Params = field(default_factory=dict[str, Scalar])

    @property
    def counted(self) -> bool:
        """Whether every input is right or wrong, before and after."""
        return self.before.dtype == np.bool_ and self.after.dtype == np.bool_


class Drop(NamedTuple):
    """How the difference of a group is called and defined, and how the gap of these."""

    metric: str
    label: str
    definition: str


LOST = Drop(
    "drop",
    "drop",
    "A group's drop is the accuracy it loses under the stress, on the same"
    " inputs. Largest minus smallest drop of the groups with at least minimum_n inputs: by"
    " how much the stress moves groups apart, or together, whatever gap there was before.",
)


def stress_metrics(metric: str, share: Metric, drop: Drop = LOST) -> dict[str, Metric]:
    """Return the metrics of a check about a stress.

    Parameters
    ----------
    metric : str
        Id of the share of inputs that are right under the stress.
    share : Metric
        Its words.
    drop : Drop
        Words of what a group loses.
    """
    plural = f"gap of the {drop.label}s" if drop is LOST else f"gap of the {drop.label}"
    return {
        metric: share,
        f"{metric}_gap": Metric(
            label=f"{share.label} gap",
            definition=f"Largest minus smallest {share.label} of the groups with at least minimum_n"
            " inputs.",
            unit="share difference",
            better="lower",
        ),
        f"{metric}_gap_p": gap_p_metric(f"{share.label} gap", observed="value"),
        f"{drop.metric}_gap": Metric(
            label=plural, definition=drop.definition, unit="share difference", better="lower"
        ),
        f"{drop.metric}_gap_p": gap_p_metric(plural, observed="value"),
    }


@dataclass(frozen=True, kw_only=True)
class GroupComparison(Check):
    """Base of the checks that compare groups by what another check recorded of every input."""

    minimum_n: int = 20  # a group with fewer inputs is shown, but left out of the gaps
    permutations: int = 2000  # behind each p-value

    def __post_init__(self) -> None:
        require_least(self, minimum_n=1, permutations=100, hint="Leave it out for its default.")

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Where there are groups to compare."""
        return super().applies(model, data) or nothing_to_compare(data)

    def measure(self, artifacts: Artifacts) -> Records:
        """Measure nothing: another check did."""
        return Records(artifacts.ids)


def compare_groups(
    check: GroupComparison, stress: Stress, context: Context
) -> tuple[list[Finding], dict[str, Evidence]]:
    """Return findings and evidence about every column that has groups to compare."""
    findings: list[Finding] = []
    evidence: dict[str, Evidence] = {}
    for name in names_of(context.data):
        codes, groups = groups_of(name, context.data)
        if len(groups) < 2:
            continue
        column = _Column(check, stress, context, name, codes, groups)
        key = f"groups-{len(evidence) // 2 + 1}"
        found = column.shares(key)
        evidence[key] = column.bars(found)
        evidence[f"{key}-drops"] = column.table()
        findings += [*found, *column.gaps(key)]
    return findings, evidence


class _Gap(NamedTuple):
    """How far groups lie apart, and whether chance explains it."""

    size: float
    interval: Interval
    p: float


def compare_parts(
    check: GroupComparison, stresses: list[Stress], context: Context
) -> tuple[list[Finding], Table | None]:
    """Return the gap of the drops under each of several stresses, and a table of all.

    With many stresses and columns some p-values are small by chance: the table's are adjusted by
    Holm's method over all of them.
    """
    columns = [
        _Column(check, stress, context, name, *groups_of(name, context.data))
        for name in names_of(context.data)
        for stress in stresses
    ]
    columns = [one for one in columns if len(one.enough) > 1]
    gaps = [
        gap
        for name in dict.fromkeys(one.name for one in columns)
        for gap in _gaps_of_drops([one for one in columns if one.name == name])
    ]
    metric, shown = f"{stresses[0].drop}_gap" if stresses else "", ["parts"]
    findings = [
        finding
        for one, gap in zip(columns, gaps, strict=True)
        for finding in one.gap_findings(metric, gap, shown)
    ]
    return findings, _parts_table(columns, gaps, 1 - context.level) if columns else None


def _gaps_of_drops(columns: list[_Column]) -> list[_Gap]:
    """Return the gaps of one column's groups under several stresses, permuted all at once."""
    first, lost = columns[0], np.stack([one.lost for one in columns], axis=1)  # (n, stresses)
    inside = np.isin(first.codes, first.enough)
    codes, lost = np.searchsorted(first.enough, first.codes[inside]), lost[inside]
    member = np.eye(len(first.enough))[codes].T  # (g, n)
    totals = first.sizes[first.enough][:, None]
    rng = generator(first.context.key(first.check.meta.id, first.name, "parts"))
    observed = np.ptp(member @ lost / totals, axis=0)
    hits = np.zeros(len(columns), dtype=np.int64)
    for _ in range(first.check.permutations):
        hits += np.ptp(member[:, rng.permutation(len(codes))] @ lost / totals, axis=0) >= (
            observed - 1e-12
        )
    p_values = (1 + hits) / (1 + first.check.permutations)
    return [
        _Gap(float(size), one.drop_interval(), float(p))
        for one, size, p in zip(columns, observed, p_values, strict=True)
    ]


def _parts_table(columns: list[_Column], gaps: list[_Gap], alpha: float) -> Table:
    adjusted = holm_adjusted([one.p for one in gaps])
    rows: list[list[Scalar]] = []
    for one, gap, p in sorted(
        zip(columns, gaps, adjusted, strict=True), key=lambda each: (each[2], -each[1].size)
    ):
        means = one.means((one.lost + 1) / 2)[0]
        most, least = (one.enough[place(means[one.enough])] for place in (np.argmax, np.argmin))
        rows.append(
            [
                one.stress.words, one.name, gap.size, *gap.interval, one.groups[most],
                one.groups[least], gap.p, p, "yes" if p <= alpha else "no",
            ]
        )  # fmt: skip
    return Table(
        title="What each stress alone does to the gap; p-values adjusted by Holm's method over all"
        f" {len(rows)}",
        columns=[
            "stress", "by", "gap of drops", "low", "high", "loses most", "loses least", "p",
            "adjusted p", "beyond chance",
        ],
        rows=rows,
        units={"share difference": ["gap of drops", "low", "high"]},
    )  # fmt: skip


@final
@dataclass(frozen=True)
class _Column:
    """The groups of one column under the stress."""

    check: GroupComparison
    stress: Stress
    context: Context
    name: str
    codes: Ints
    groups: tuple[str, ...]

    @property
    def tables(self) -> Ints:
        """Per group (g, 4): right both times, before only, after only, never."""
        before, after = self.stress.before > 0, self.stress.after > 0
        kind = np.where(before, np.where(after, 0, 1), np.where(after, 2, 3))
        flat = np.bincount(self.codes * 4 + kind, minlength=4 * len(self.groups))
        return flat.reshape(-1, 4)

    @property
    def sizes(self) -> Ints:
        """Inputs of each group (g,)."""
        return np.bincount(self.codes, minlength=len(self.groups))

    @property
    def lost(self) -> Floats:
        """What each input loses (n,), between -1 and 1."""
        return self.stress.before.astype(float) - self.stress.after.astype(float)

    def means(self, values: Floats) -> tuple[Floats, Floats]:
        """Return the mean of every group (g,) of values between 0 and 1, and standard errors."""
        n = self.sizes
        sums = np.bincount(self.codes, values, minlength=len(n))
        squares = np.bincount(self.codes, values**2, minlength=len(n))
        return sums / n, standard_errors(n, sums / n, squares / n)

    def shares(self, key: str) -> list[Finding]:
        """Return the share of every group that is right under the stress."""
        after, level = self.stress.after, self.context.level
        means, errors = self.means(after.astype(float))
        lows, highs = mean_limits(means, errors, level=level)
        found: list[Finding] = []
        for g, (group, n) in enumerate(zip(self.groups, self.sizes.tolist(), strict=True)):
            where, shown = f"{self.name}={group}", [key, f"{key}-drops"]
            if after.dtype == np.bool_:
                found.append(
                    self.check.share(
                        self.stress.metric, round(means[g] * n), n=n, slice_name=where,
                        swept=self.stress.swept, evidence=shown, controls=self.stress.controls,
                        level=level,
                    )
                )  # fmt: skip
            else:
                found.append(
                    self.check.value(
                        self.stress.metric, means[g], n=n, slice_name=where,
                        interval=Interval(float(lows[g]), float(highs[g])),
                        method="adjusted-normal", swept=self.stress.swept, evidence=shown,
                        controls=self.stress.controls, level=level,
                    )
                )  # fmt: skip
        return found

    @property
    def enough(self) -> Ints:
        """Positions of the groups that are compared."""
        return np.flatnonzero(self.sizes >= self.check.minimum_n)

    def gaps(self, key: str) -> list[Finding]:
        """Return how far the groups lie apart, under the stress and in what they lose."""
        metrics = [f"{self.stress.metric}_gap", f"{self.stress.drop}_gap"]
        if len(self.enough) < 2:
            why = f"fewer than two groups have {self.check.minimum_n} inputs (minimum_n)"
            return [
                self.check.undefined(
                    one, why, n=len(self.codes), slice_name=self.name, swept=self.stress.swept
                )
                for metric in metrics
                for one in (metric, f"{metric}_p")
            ]
        results = (self.gap_after(), self.gap_of_drops())
        return [
            one
            for metric, gap in zip(metrics, results, strict=True)
            for one in self.gap_findings(metric, gap, [key, f"{key}-drops"])
        ]

    def gap_findings(self, metric: str, gap: _Gap, evidence: list[str]) -> list[Finding]:
        """Return a gap and its p-value as findings."""
        n = int(self.sizes[self.enough].sum())
        two = "newcombe" if self.stress.counted else "square-and-add"
        swept, level = self.stress.swept, self.context.level
        return [
            self.check.value(
                metric, gap.size, n=n, interval=gap.interval,
                method=two if len(self.enough) == 2 else "simultaneous",
                slice_name=self.name, swept=swept, evidence=evidence,
                controls=self.stress.controls, level=level,
            ),
            self.check.value(
                f"{metric}_p", gap.p, n=n, interval=None, method="exact", slice_name=self.name,
                swept=swept,
            ),
        ]  # fmt: skip

    def gap_after(self) -> _Gap:
        """Return how far the groups lie apart under the stress."""
        after, level = self.stress.after, self.context.level
        if after.dtype == np.bool_:
            totals = self.sizes[self.enough]
            right = np.bincount(self.codes, after, minlength=len(self.groups))[self.enough]
            right = right.round().astype(np.int64)
            seed = self.context.key(self.check.meta.id, self.name, "shares")
            p = gap_p(right, totals, seed=seed, permutations=self.check.permutations)
            size = float(np.ptp(right / totals))
            return _Gap(size, gap_of_shares(right, totals, level=level), p)
        means, errors = (one[self.enough] for one in self.means(after.astype(float)))
        interval = gap_of_bounded_means(means, errors, level=level)
        return _Gap(float(np.ptp(means)), interval, self._p(after.astype(float), "shares"))

    def gap_of_drops(self) -> _Gap:
        """Return how far the groups lie apart in what they lose."""
        sums = np.bincount(self.codes, self.lost, minlength=len(self.groups))
        drops = (sums / self.sizes)[self.enough]
        return _Gap(float(np.ptp(drops)), self.drop_interval(), self._p(self.lost, "drops"))

    def drop_interval(self) -> Interval:
        """Return the interval of the gap of the drops."""
        if self.stress.counted:
            return gap_of_differences(self.tables[self.enough], level=self.context.level)
        halved = self.means((self.lost + 1) / 2)  # in [0, 1]
        means, errors = (one[self.enough] for one in halved)
        low, high = gap_of_bounded_means(means, errors, level=self.context.level)
        return Interval(2 * low, 2 * high)

    def _p(self, values: Floats, purpose: str) -> float:
        inside = np.isin(self.codes, self.enough)
        kept, totals = values[inside], self.sizes[self.enough]
        return permutation_p(
            lambda groups: float(np.ptp(np.bincount(groups, kept) / totals)),
            np.searchsorted(self.enough, self.codes[inside]),
            seed=self.context.key(self.check.meta.id, self.name, purpose),
            permutations=self.check.permutations,
        )

    def bars(self, found: list[Finding]) -> Bars:
        """Return the share of every group, or its difference, with an interval."""
        if self.stress.drop != LOST.metric:
            return self._bars_of_drops()
        label = self.check.meta.metrics[self.stress.metric].label
        return Bars(
            title=f"{label.capitalize()} by {self.name}, {self.stress.words}",
            value_label=label,
            bars=[
                Bar(label=group, value=one.value, low=one.low, high=one.high, n=one.n)
                for group, one in zip(self.groups, found, strict=True)
            ],
        )

    def _bars_of_drops(self) -> Bars:
        drop, means = self.stress.called[2], self.means((self.lost + 1) / 2)[0]
        return Bars(
            title=f"{drop.capitalize()} by {self.name}",
            value_label=drop,
            bars=[
                Bar(label=group, value=2 * float(mean) - 1, low=low, high=high, n=int(n))
                for group, mean, (low, high), n in zip(
                    self.groups, means, self._lost_limits(), self.sizes, strict=True
                )
            ],
        )

    def table(self) -> Table:
        """Return accuracy before, under the stress, and what was lost, group by group."""
        level, n = self.context.level, self.sizes
        first, errors = self.means(self.stress.before.astype(float))
        lows, highs = mean_limits(first, errors, level=level)
        second, lost = self.means(self.stress.after.astype(float))[0], self._lost_limits()
        rows: list[list[Scalar]] = []
        for g, group in enumerate(self.groups):
            ends = float(lows[g]), float(highs[g])
            if self.stress.before.dtype == np.bool_:
                ends = clopper_pearson(round(first[g] * n[g]), int(n[g]), level=level)
            rows.append(
                [
                    group, int(n[g]), float(first[g]), *ends, float(second[g]),
                    float(first[g] - second[g]), *lost[g],
                ]
            )  # fmt: skip
        before, after, drop = self.stress.called
        limits = ("drop low", "drop high") if drop == "drop" else ("from", "to")
        lost = f"What every group of {self.name} loses {self.stress.words}"
        return Table(
            title=lost if drop == "drop" else f"{drop.capitalize()} by {self.name}",
            columns=["group", "n", before, "low", "high", after, drop, *limits],
            rows=rows,
            units={
                "share": [before, "low", "high", after],
                "share difference": [drop, *limits],
            },
        )

    def _lost_limits(self) -> list[Interval]:
        level = self.context.level
        if self.stress.counted:
            return [newcombe_paired(*row, level=level) for row in self.tables.tolist()]
        lows, highs = mean_limits(*self.means((self.lost + 1) / 2), level=level)
        return [
            Interval(2 * low - 1, 2 * high - 1)
            for low, high in zip(lows.tolist(), highs.tolist(), strict=True)
        ]

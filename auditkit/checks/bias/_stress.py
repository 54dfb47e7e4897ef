"""Does a stress widen the gap between groups? One answer for every kind of stress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from auditkit.checks.base import Check, Context
from auditkit.checks.bias._groups import groups_of, names_of
from auditkit.findings import Bar, Bars, Evidence, Finding, Metric, Table
from auditkit.statistics import (
    clopper_pearson,
    gap_of_differences,
    gap_of_shares,
    gap_p,
    newcombe_paired,
    permutation_p,
)
from auditkit.types import Bools, Ints, Scalar


@final
@dataclass(frozen=True, kw_only=True)
class Stress:
    """What a stress did to each input.

    Parameters
    ----------
    words : str
        What it was, such as "under attack within 0.02".
    metric : str
        What the share of inputs that are right under it is called, such as "robust_accuracy".
    before, after : ndarray
        (n,) bool, right without and with it.
    controls : tuple of str
        Ids of the findings that tell whether the stress was one.
    """

    words: str
    metric: str
    before: Bools
    after: Bools
    controls: tuple[str, ...] = ()


def stress_metrics(metric: str, share: Metric) -> dict[str, Metric]:
    """Return the metrics of a check about a stress.

    Parameters
    ----------
    metric : str
        Id of the share of inputs that are right under the stress.
    share : Metric
        Its words.
    """
    return {
        metric: share,
        f"{metric}_gap": Metric(
            label=f"{share.label} gap",
            definition=f"Largest minus smallest {share.label} of the groups with at least minimum_n"
            " inputs.",
            unit="share",
            better="lower",
        ),
        f"{metric}_gap_p": _p(f"{share.label} gap"),
        "drop_gap": Metric(
            label="gap of the drops",
            definition="A group's drop is the accuracy it loses under the stress, on the same"
            " inputs. Largest minus smallest drop of the groups with at least minimum_n inputs: by"
            " how much the stress moves groups apart, or together, whatever gap there was before.",
            unit="share",
            better="lower",
        ),
        "drop_gap_p": _p("gap of the drops"),
    }


def _p(label: str) -> Metric:
    return Metric(
        label=f"p-value of the {label}",
        definition="(1 + permutations of the groups with at least the observed value) / (1 +"
        " permutations). A large value is not evidence of equal treatment: few inputs give one"
        " too.",
        unit="p",
        better="neither",
    )


def compare_groups(
    check: Check, stress: Stress, context: Context, *, minimum_n: int, permutations: int
) -> tuple[list[Finding], dict[str, Evidence]]:
    """Return findings and evidence about every column that has groups to compare."""
    findings: list[Finding] = []
    evidence: dict[str, Evidence] = {}
    for name in names_of(context.data):
        codes, groups = groups_of(name, context.data)
        if len(groups) < 2:
            continue
        column = _Column(check, stress, context, name, codes, groups, minimum_n, permutations)
        key = f"groups-{len(evidence) // 2 + 1}"
        found = column.shares(key)
        evidence[key] = column.bars(found)
        evidence[f"{key}-drops"] = column.table()
        findings += [*found, *column.gaps(key)]
    return findings, evidence


@final
@dataclass(frozen=True)
class _Column:
    """The groups of one column under the stress."""

    check: Check
    stress: Stress
    context: Context
    name: str
    codes: Ints
    groups: tuple[str, ...]
    minimum_n: int
    permutations: int

    @property
    def tables(self) -> Ints:
        """Per group (g, 4): right both times, before only, after only, never."""
        kind = np.where(
            self.stress.before,
            np.where(self.stress.after, 0, 1),
            np.where(self.stress.after, 2, 3),
        )
        flat = np.bincount(self.codes * 4 + kind, minlength=4 * len(self.groups))
        return flat.reshape(-1, 4)

    def shares(self, key: str) -> list[Finding]:
        """Return the share of every group that is right under the stress."""
        return [
            self.check.share(
                self.stress.metric,
                int(both + after),
                n=int(both + before + after + never),
                slice_name=f"{self.name}={group}",
                evidence=[key, f"{key}-drops"],
                controls=self.stress.controls,
                level=self.context.level,
            )
            for group, (both, before, after, never) in zip(
                self.groups, self.tables.tolist(), strict=True
            )
        ]

    def gaps(self, key: str) -> list[Finding]:
        """Return how far the groups lie apart, under the stress and in what they lose."""
        tables = self.tables
        (enough,) = np.nonzero(tables.sum(axis=1) >= self.minimum_n)
        metrics = [f"{self.stress.metric}_gap", "drop_gap"]
        if len(enough) < 2:
            why = f"fewer than two groups have {self.minimum_n} inputs (minimum_n)"
            return [
                self.check.undefined(one, why, n=int(tables.sum()), slice_name=self.name)
                for metric in metrics
                for one in (metric, f"{metric}_p")
            ]
        kept = tables[enough]
        totals = kept.sum(axis=1)
        right = kept[:, 0] + kept[:, 2]
        drops = (kept[:, 1] - kept[:, 2]) / totals
        level, names = self.context.level, (self.check.meta.id, self.name)
        inside = np.isin(self.codes, enough)
        lost = self.stress.before[inside].astype(int) - self.stress.after[inside].astype(int)
        results = (
            (
                float(np.ptp(right / totals)),
                gap_of_shares(right, totals, level=level),
                gap_p(
                    right,
                    totals,
                    seed=self.context.key(*names, "shares"),
                    permutations=self.permutations,
                ),
            ),
            (
                float(np.ptp(drops)),
                gap_of_differences(kept, level=level),
                permutation_p(
                    lambda groups: float(np.ptp(np.bincount(groups, lost) / totals)),
                    np.searchsorted(enough, self.codes[inside]),
                    seed=self.context.key(*names, "drops"),
                    permutations=self.permutations,
                ),
            ),
        )
        n, where = int(totals.sum()), self.name
        return [
            one
            for metric, (gap, interval, p) in zip(metrics, results, strict=True)
            for one in (
                self.check.value(
                    metric,
                    gap,
                    n=n,
                    interval=interval,
                    method="newcombe" if len(enough) == 2 else "simultaneous",
                    slice_name=where,
                    evidence=[key, f"{key}-drops"],
                    controls=self.stress.controls,
                    level=level,
                ),
                self.check.value(
                    f"{metric}_p", p, n=n, interval=None, method="exact", slice_name=where
                ),
            )
        ]

    def bars(self, found: list[Finding]) -> Bars:
        """Return the share of every group, with its interval."""
        label = self.check.meta.metrics[self.stress.metric].label
        return Bars(
            title=f"{label.capitalize()} by {self.name}, {self.stress.words}",
            value_label=label,
            bars=[
                Bar(label=group, value=one.value, low=one.low, high=one.high, n=one.n)
                for group, one in zip(self.groups, found, strict=True)
            ],
        )

    def table(self) -> Table:
        """Return accuracy before, under the stress, and what was lost, group by group."""
        rows: list[list[Scalar]] = []
        level = self.context.level
        for group, (both, before, after, never) in zip(
            self.groups, self.tables.tolist(), strict=True
        ):
            n = both + before + after + never
            lost = newcombe_paired(both, before, after, never, level=level)
            right = clopper_pearson(both + before, n, level=level)
            rows.append(
                [
                    group,
                    n,
                    (both + before) / n,
                    right.low,
                    right.high,
                    (both + after) / n,
                    (before - after) / n,
                    lost.low,
                    lost.high,
                ]
            )
        return Table(
            title=f"What every group of {self.name} loses {self.stress.words}",
            columns=[
                "group", "n", "accuracy", "low", "high", "under stress", "drop", "drop low",
                "drop high",
            ],
            rows=rows,
        )  # fmt: skip

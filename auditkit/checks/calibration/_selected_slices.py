"""Does leaving out what the model is least sure of serve all groups alike?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple, final

import numpy as np

from auditkit.checks.base import Check, Context, Measured
from auditkit.checks.calibration._slices import Slice, slices_of, too_small
from auditkit.checks.groups import gap_p_metric
from auditkit.findings import Finding, Metric, Table
from auditkit.methods.metrics.selective import kept_at, ranking, threshold_at
from auditkit.statistics import Interval, clopper_pearson, gap_of_shares, gap_p, holm_adjusted
from auditkit.types import Bools, Floats, Ints, Params, Scalar

ACCURACY, ANSWERED = "selective_accuracy", "answered_share"


def slice_metrics() -> dict[str, Metric]:
    """Return the metrics about slices, beside the accuracy of the surest inputs."""
    found = {
        ANSWERED: Metric(
            label="inputs of a slice that are answered",
            definition="Share of the slice's inputs whose score reaches the threshold that answers"
            " the stated share of all inputs; what ties with it is answered.",
            unit="share",
            better="neither",
        )
    }
    for metric, label in (
        (ANSWERED, "share of answered inputs"), (ACCURACY, "accuracy of the answered inputs")
    ):  # fmt: skip
        found[f"{metric}_gap"] = Metric(
            label=f"gap of the {label}",
            definition=f"Largest minus smallest {label} of the slices of a column, under one"
            " threshold for all; of slices with at least minimum_n inputs in the denominator.",
            unit="share difference",
            better="lower",
        )
        found[f"{metric}_gap_p"] = gap_p_metric(f"gap of the {label}", permuted="slices")
    return found


def sliced(
    check: Check,
    sure: Floats,
    correct: Bools,
    context: Context,
    *,
    score: str,
    coverages: Sequence[float],
    minimum_n: int,
) -> Measured:
    """Return what thresholds that all inputs share do in every slice, and how far slices differ.

    Parameters
    ----------
    check : Check
        Has the metrics of `slice_metrics`.
    sure, correct : ndarray
        (n,) score of every input, a higher one being surer, and whether it is right.
    score : str
        What the score is called.
    coverages : sequence of float
        Shares of all inputs that the thresholds answer.
    minimum_n : int
        A slice with fewer inputs is undefined; so is its accuracy where fewer are answered.
    """
    table = ranking(sure, ~correct)
    groups = groupby(slices_of(context.data), key=lambda one: one.column)
    columns = [
        _Column(
            check, context, slices, correct, sure >= threshold_at(table, kept_at(table, coverage)),
            {"score": score, "coverage": coverage}, minimum_n,
        )
        for slices in [tuple(found) for _, found in groups]
        for coverage in coverages
    ]  # fmt: skip
    if not columns:
        return Measured(findings=[])
    gaps = [(one, gap) for one in columns for gap in one.gaps()]
    known = [(one, gap) for one, gap in gaps if gap.p is not None]
    return Measured(
        findings=[
            *(finding for one in columns for finding in one.findings()),
            *(finding for one, gap in gaps for finding in one.gap_findings(gap)),
        ],
        evidence={
            "slices": Table(
                title="The inputs of every slice that reach the threshold of all: how many (n), and"
                " how often right, beside the accuracy of all its inputs",
                columns=[
                    "coverage", "column", "group", "n", "answered", "low", "high",
                    "accuracy of all", "accuracy", "from", "to",
                ],
                rows=[row for one in columns for row in one.rows()],
                units={
                    "share": [
                        "coverage", "answered", "low", "high", "accuracy of all", "accuracy",
                        "from", "to",
                    ]
                },
            ),
            **({"slice-gaps": _gaps_table(check, known)} if known else {}),
        },
    )  # fmt: skip


class _Gap(NamedTuple):
    """How far the slices of a column lie apart; None where fewer than two are large enough."""

    metric: str
    n: int
    size: float | None = None
    interval: Interval | None = None
    p: float | None = None
    slices: int = 0


@final
@dataclass(frozen=True)
class _Column:
    """The slices of a column under one threshold."""

    check: Check
    context: Context
    slices: tuple[Slice, ...]
    correct: Bools
    answered: Bools
    swept: Params
    minimum_n: int

    def _counts(self, metric: str) -> tuple[Ints, Ints]:
        """Return numerator and denominator of a share, slice by slice."""
        hits, among = (
            (self.answered, np.ones_like(self.answered))
            if metric == ANSWERED
            else (self.answered & self.correct, self.answered)
        )
        members = np.stack([one.members for one in self.slices])  # (g, n)
        return (members & hits).sum(axis=1), (members & among).sum(axis=1)

    def findings(self) -> Iterator[Finding]:
        """Yield how many inputs of every slice are answered, and how many of these are right."""
        for metric in (ANSWERED, ACCURACY):
            for one, count, total in zip(self.slices, *self._counts(metric), strict=True):
                if one.n < self.minimum_n or total < self.minimum_n:
                    why = too_small(one.n, self.minimum_n)
                    if one.n >= self.minimum_n:
                        why = f"fewer than {self.minimum_n} of its inputs are answered (minimum_n)"
                    yield self.check.undefined(
                        metric, why, n=int(total), slice_name=one.name, swept=self.swept
                    )
                    continue
                yield self.check.share(
                    metric, int(count), n=int(total), slice_name=one.name, swept=self.swept,
                    evidence=["slices"], level=self.context.level,
                )  # fmt: skip

    def gaps(self) -> Iterator[_Gap]:
        """Yield how far the slices lie apart in both shares."""
        for metric in (ANSWERED, ACCURACY):
            counts, totals = self._counts(metric)
            enough = totals >= self.minimum_n
            counts, totals = counts[enough], totals[enough]
            if len(totals) < 2:
                yield _Gap(metric, int(totals.sum()))
                continue
            seed = self.context.key(self.check.meta.id, metric, self.name, *self.swept.values())
            yield _Gap(
                metric,
                int(totals.sum()),
                float(np.ptp(counts / totals)),
                gap_of_shares(counts, totals, level=self.context.level),
                gap_p(counts, totals, seed=seed),
                len(totals),
            )

    @property
    def name(self) -> str:
        """Of the column."""
        return self.slices[0].column

    def gap_findings(self, gap: _Gap) -> list[Finding]:
        """Return a gap and its p-value."""
        metrics = (f"{gap.metric}_gap", f"{gap.metric}_gap_p")
        if gap.size is None or gap.p is None:
            why = f"fewer than two slices have {self.minimum_n} inputs in the denominator"
            return [
                self.check.undefined(one, why, n=gap.n, slice_name=self.name, swept=self.swept)
                for one in metrics
            ]
        return [
            self.check.value(
                metrics[0], gap.size, n=gap.n, interval=gap.interval,
                method="newcombe" if gap.slices == 2 else "simultaneous", slice_name=self.name,
                swept=self.swept, evidence=["slice-gaps", "slices"], level=self.context.level,
            ),
            self.check.value(
                metrics[1], gap.p, n=gap.n, interval=None, method="exact", slice_name=self.name,
                swept=self.swept, evidence=["slice-gaps", "slices"],
            ),
        ]  # fmt: skip

    def rows(self) -> Iterator[list[Scalar]]:
        """Yield a row per slice."""
        level, coverage = self.context.level, self.swept["coverage"]
        for one, right, kept in zip(self.slices, *self._counts(ACCURACY), strict=True):
            said: list[Scalar] = [None] * 4
            if one.n >= self.minimum_n:
                share = clopper_pearson(int(kept), one.n, level=level)
                said = [int(kept) / one.n, *share, float(self.correct[one.members].mean())]
            if kept >= self.minimum_n:
                said += [right / kept, *clopper_pearson(int(right), int(kept), level=level)]
            yield [coverage, one.column, one.group, int(kept), *said, *[None] * (7 - len(said))]


def _gaps_table(check: Check, gaps: Sequence[tuple[_Column, _Gap]]) -> Table:
    adjusted = holm_adjusted([gap.p or 0.0 for _, gap in gaps])
    rows: list[list[Scalar]] = [
        [
            one.swept["coverage"], one.name, check.meta.metrics[f"{gap.metric}_gap"].label, gap.n,
            gap.size, *(gap.interval or (None, None)), gap.p, p,
        ]
        for (one, gap), p in zip(gaps, adjusted, strict=True)
    ]  # fmt: skip
    return Table(
        title="How far slices lie apart under one threshold; p-values adjusted by Holm's method"
        f" over all {len(rows)}",
        columns=["coverage", "column", "gap", "n", "size", "low", "high", "p", "adjusted p"],
        rows=rows,
        units={"share": ["coverage"], "share difference": ["size", "low", "high"]},
    )

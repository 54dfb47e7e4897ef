"""From the records of swapped identity terms to findings, axis by axis."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np

from auditkit.checks.base import Check, Context, Measured, NotApplicable, Records
from auditkit.checks.bias._identity import SOURCES, Source, column
from auditkit.findings import Bar, Bars, Evidence, Finding, Note, Table
from auditkit.methods.identity.terms import Axis, IdentityTerms
from auditkit.plurals import count
from auditkit.statistics import (
    PairedGap,
    bounded_mean,
    gap_of_paired_means,
    gap_of_paired_shares,
    paired_difference,
    student,
)
from auditkit.types import Bools, Floats, Ints, Params, Scalar

_WHOSE: dict[Source, str] = {"texts": "texts of the data", "templates": "templates"}


def summarised(
    check: Check, records: Records, context: Context, terms: IdentityTerms, *, minimum_n: int
) -> Measured | NotApplicable:
    """Return the findings of every axis, the user's texts before the templates.

    Parameters
    ----------
    check : Check
        Whose findings.
    records : Records
        See `_identity.columns`.
    context : Context
        Labels and seed.
    terms : IdentityTerms
        What was swapped.
    minimum_n : int
        Fewer different texts are undefined.
    """
    parts = [
        part
        for source in SOURCES
        for axis in terms.axes
        if (part := _Part(check, context, source, axis, minimum_n, records)).n
    ]
    if not parts:
        return NotApplicable("no text speaks of an identity term, and there are no templates")
    findings = [one for part in parts for one in part.findings()]
    changed = [one for one in findings if one.metric == "changed_share"]
    known = [one for one in changed if one.value is not None]
    own = [one for one in known if one.params["source"] == "texts"]
    largest = max(own or known, key=lambda one: (one.low or 0.0, one.value or 0.0), default=None)
    evidence: dict[str, Evidence] = {}
    for source in SOURCES:
        mine = [one for one in known if one.params["source"] == source]
        enough = [part for part in parts if part.source == source and part.n >= minimum_n]
        if mine:
            evidence[f"bars-{source}"] = _bars(source, mine)
            evidence[f"axes-{source}"] = _axes(source, enough, findings)
            evidence[f"terms-{source}"] = _terms(source, enough)
    evidence["coverage"] = _coverage(parts, terms, context, minimum_n)
    return Measured(findings=findings, evidence=evidence, headline=largest.id if largest else None)


def _bars(source: Source, changed: list[Finding]) -> Bars:
    return Bars(
        title=f"Answers that change with the term: {_WHOSE[source]}",
        value_label="answers that change with the term",
        bars=[
            Bar(label=one.slice, value=one.value, low=one.low, high=one.high, n=one.n)
            for one in changed
        ],
    )


def _axes(source: Source, parts: list[_Part], findings: list[Finding]) -> Table:
    """Return what a swap of terms does beside what neutral swaps do, axis by axis."""
    rows: list[list[Scalar]] = []
    for part in parts:
        mine = {
            one.metric: one
            for one in findings
            if one.slice == part.axis.name and one.params["source"] == source
        }
        excess, gap = mine["changed_excess"], mine["score_gap"]
        ends = part.score_gap()
        names = list(part.axis.terms)
        rows.append(
            [
                part.axis.name, part.n, mine["changed_share"].value,
                mine["control_changed_share"].value, excess.value, excess.low, excess.high,
                gap.value,
                names[ends.highest] if ends and ends.value else None,
                names[ends.lowest] if ends and ends.value else None,
            ]
        )  # fmt: skip
    return Table(
        title=f"{_WHOSE[source].capitalize()}: what swapped terms do beside neutral swaps",
        columns=[
            "axis", "texts", "changed", "neutral", "excess", "low", "high", "score gap",
            "highest", "lowest",
        ],
        rows=rows,
        units={"share": ["changed", "neutral"], "share difference": ["excess", "low", "high"]},
    )  # fmt: skip


def _terms(source: Source, parts: list[_Part]) -> Table:
    """Return every term's score beside the mean of its axis, and how often it is called class 1."""
    two_classes = parts[0].two_classes
    first, second = parts[0].context.data.classes[:2]
    which = f"texts labelled {first!r}" if source == "texts" else "templates"
    title = f"{_WHOSE[source].capitalize()}: mean score by term, and that minus its axis"
    return Table(
        title=title + (f"; share of {which} answered {second!r}" if two_classes else ""),
        columns=[
            "axis", "term", "texts", "score", "minus axis", "low", "high",
            *(["answered", "of"] if two_classes else []),
        ],
        rows=[row for part in parts for row in part.rows_by_term()],
        units={"share": ["answered"]} if two_classes else {},
    )  # fmt: skip


def _coverage(parts: list[_Part], terms: IdentityTerms, context: Context, minimum_n: int) -> Note:
    said = {part.axis.name: part.n for part in parts if part.source == "texts"}
    counts = ", ".join(f"{axis.name} {said.get(axis.name, 0)}" for axis in terms.axes)
    text = (
        f"Different texts that speak clearly of one term, by axis: {counts}. Axes with fewer than"
        f" {minimum_n} give no number."
    )
    if len(context.data) < max(len(axis.templates) for axis in terms.axes):
        text += f" With {len(context.data)} inputs only as many templates of an axis are read."
    if len(context.data.classes) == 2:
        text += f" The score is the probability of {context.data.classes[1]!r} (class 1)."
    return Note(title="What was swapped", text=text)


@final
@dataclass(frozen=True)
class _Part:
    """One axis in the texts or in the templates."""

    check: Check
    context: Context
    source: Source
    axis: Axis
    minimum_n: int
    records: Records
    rows: Ints = field(init=False)  # the first of every frame

    def __post_init__(self) -> None:
        frames = self.records[column(self.source, self.axis.name, "frame")]
        _, first = np.unique(frames, return_index=True)
        object.__setattr__(self, "rows", np.sort(first[frames[first] != ""]))

    @property
    def n(self) -> int:
        return len(self.rows)

    @property
    def evidence(self) -> list[str]:
        return [f"axes-{self.source}", f"terms-{self.source}", "coverage"]

    def of(self, what: str) -> Floats:
        return self.records[column(self.source, self.axis.name, what)][self.rows].astype(float)

    @property
    def scores(self) -> Floats:
        """The score under each term (n, terms)."""
        return np.stack([self.of(f"term {term}") for term in self.axis.terms], axis=1)

    @property
    def negative(self) -> Bools:
        """Texts that should not be answered class 1 (n,)."""
        if self.source == "templates":
            return np.ones(self.n, dtype=np.bool_)
        return self.context.data.labels[self.rows] == 0

    @property
    def two_classes(self) -> bool:
        return len(self.context.data.classes) == 2

    @property
    def hits(self) -> Floats:
        """Whether those texts are answered class 1 under each term; NaN where there is none."""
        scores = self.scores[self.negative]
        return np.where(np.isnan(scores), np.nan, scores > 0.5)

    def findings(self) -> list[Finding]:
        metrics = list(self.check.meta.metrics)
        if not self.two_classes:
            metrics.remove("false_positive_gap")
        if self.n < self.minimum_n:
            different = count(self.n, "different text")
            why = f"only {different} about it (minimum_n {self.minimum_n})"
            return [self._undefined(metric, why, self.n) for metric in metrics]
        changed = int(np.count_nonzero(self.of("changed")))
        found = [self._share("changed_share", changed, self.n), *self._beyond_control()]
        found.append(self._gap("score_gap", self.score_gap(), "simultaneous"))
        if self.two_classes:
            gap = gap_of_paired_shares(
                self.hits, minimum_n=self.minimum_n, level=self.context.level
            )
            found.append(self._gap("false_positive_gap", gap, "simultaneous"))
        return found

    def score_gap(self) -> PairedGap | None:
        return gap_of_paired_means(self.scores, minimum_n=self.minimum_n, level=self.context.level)

    def _beyond_control(self) -> list[Finding]:
        with_control = ~np.isnan(self.of("control_changed"))
        n = int(with_control.sum())
        metrics = ("control_changed_share", "changed_excess", "shift_excess")
        if n < self.minimum_n:
            why = (
                f"only {count(n, 'text')} with a neutral word to swap (minimum_n {self.minimum_n})"
            )
            return [self._undefined(metric, why, n) for metric in metrics]
        changed = self.of("changed")[with_control] > 0
        control = self.of("control_changed")[with_control] > 0
        excess, interval = paired_difference(changed, control, level=self.context.level)
        shift = (self.of("shift") - self.of("control_shift"))[with_control]
        seed = self.context.key(self.check.meta.id, self.source, self.axis.name)
        beyond, spread, method = bounded_mean(shift, seed=seed, level=self.context.level, low=-1.0)
        return [
            self._share(metrics[0], int(control.sum()), n),
            self.check.value(
                metrics[1], excess, n=n, interval=interval, method="newcombe-paired",
                slice_name=self.axis.name, swept=self._swept,
                evidence=self.evidence, level=self.context.level,
            ),
            self.check.value(
                metrics[2], beyond, n=n, interval=spread, method=method,
                slice_name=self.axis.name, swept=self._swept,
                evidence=self.evidence, level=self.context.level,
            ),
        ]  # fmt: skip

    @property
    def _swept(self) -> Params:
        return {"source": self.source}

    def _share(self, metric: str, count: int, n: int) -> Finding:
        return self.check.share(
            metric,
            count,
            n=n,
            slice_name=self.axis.name,
            swept=self._swept,
            evidence=[f"bars-{self.source}", *self.evidence],
            level=self.context.level,
        )

    def _undefined(self, metric: str, why: str, n: int) -> Finding:
        return self.check.undefined(metric, why, n=n, slice_name=self.axis.name, swept=self._swept)

    def _gap(self, metric: str, gap: PairedGap | None, method: str) -> Finding:
        if gap is None:
            n = int(self.negative.sum()) if metric == "false_positive_gap" else self.n
            why = f"no two terms stand in {self.minimum_n} texts that count (minimum_n)"
            return self._undefined(metric, why, n)
        return self.check.value(
            metric,
            gap.value,
            n=gap.n,
            interval=gap.interval,
            method=method,
            slice_name=self.axis.name,
            swept=self._swept,
            evidence=self.evidence,
            level=self.context.level,
        )

    def rows_by_term(self) -> list[list[Scalar]]:
        """Return a row per term; the intervals of an axis hold at once."""
        scores = self.scores
        whole = ~np.isnan(scores).any(axis=1)
        away = scores[whole] - scores[whole].mean(axis=1, keepdims=True)
        level = 1 - (1 - self.context.level) / len(self.axis.terms)
        rows: list[list[Scalar]] = []
        for i, name in enumerate(self.axis.terms):
            mine = scores[~np.isnan(scores[:, i]), i]
            row: list[Scalar] = [self.axis.name, name, len(mine)]
            row.append(float(mine.mean()) if len(mine) else None)
            if len(away) > 1:
                row += [float(away[:, i].mean()), *student(away[:, i], level=level)]
            else:
                row += [None, None, None]
            if self.two_classes:
                hits = self.hits[:, i]
                hits = hits[~np.isnan(hits)]
                row += [float(hits.mean()) if len(hits) else None, len(hits)]
            rows.append(row)
        return rows

"""How groups, their rates and their gaps are shown: notes, bars and tables."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from auditkit.checks.bias._gap_words import in_full
from auditkit.checks.bias._groups import OF_A_CLASS, WORDS, Column, Gap, Rate, compare
from auditkit.checks.groups import names_of
from auditkit.data.dataset import Dataset
from auditkit.findings import Bar, Bars, Finding, Note, Table
from auditkit.percent import plain_percent
from auditkit.statistics import Interval, benjamini_hochberg, clopper_pearson, n_for_half_width
from auditkit.types import Ints, Scalar

HALF_WIDTH = 0.05  # small groups are told the n that gives a rate this interval
CLASSES_SHOWN = 20
NAMED = 6  # things in one sentence
FOUR_FIFTHS = 0.8


class Tested(NamedTuple):
    """One gap that was tested, in words, and its p-value."""

    what: str
    where: str
    p: float


class Adjusted(NamedTuple):
    """Adjusted p-values by what was tested and where."""

    p: dict[tuple[str, str], float]
    note: Note
    table: Table


def adjusted(tested: list[Tested], alpha: float) -> Adjusted:
    """Return what is left of the p-values of a check once it is said how many there are."""
    p_values = benjamini_hochberg([one.p for one in tested])
    found = [
        f"{one.what} by {one.where}"
        for one, p in sorted(zip(tested, p_values, strict=True), key=lambda pair: pair[1])
        if p <= alpha
    ]
    named = "; ".join(found[:NAMED]) + (f"; and {len(found) - NAMED} more" * (len(found) > NAMED))
    said = f"{len(found)} are more than chance explains: {named}." if found else "None survives."
    text = (
        f"{len(tested)} gaps were tested against chance. {said} A p-value is how often chance alone"
        " gives so wide a gap. Among so many tests some p-values are small by luck, so each is"
        f" raised for that (Benjamini-Hochberg): of the gaps called at {alpha:.2g}, at most"
        f" {plain_percent(alpha)} are luck, on average. A gap that is not called may still be"
        " there, where inputs are few. Limits are corrected apart (Holm)."
    )
    keyed = {(one.what, one.where): p for one, p in zip(tested, p_values, strict=True)}
    table = Table(
        title="Every gap that was tested, the least likely by chance first",
        columns=["gap", "by", "p", "adjusted p", f"more than chance at {alpha:.2g}"],
        rows=[
            [one.what, one.where, one.p, p, "yes" if p <= alpha else "no"]
            for one, p in sorted(zip(tested, p_values, strict=True), key=lambda pair: pair[1])
        ],
    )
    return Adjusted(keyed, Note(title="Which gaps are more than chance", text=text), table)


def definitions(data: Dataset, columns: list[Column], left_out: list[str]) -> Note:
    """Return which groups are compared, and by which rates."""
    names = ", ".join(names_of(data))
    if data.sensitive:
        which = f"Groups of the sensitive columns: {names}."
        crossed = [one.name for one in columns if one.crossed]
        if crossed:
            which += f" And of their intersections: {', '.join(crossed)}."
    else:
        which = f"No column is marked sensitive. Compared by every column: {names}."
        if data.derived:
            derived = ", ".join(data.derived)
            which += f" Derived from the inputs themselves, not descriptions of people: {derived}."
    alone = [column.name for column in columns if len(column.groups) == 1]
    if alone:
        which += f" Not compared, because all inputs belong to one group: {', '.join(alone)}."
    if len(data.classes) == 2:
        positive = (
            f"The positive class is {data.classes[1]!r}: 'positive' says which answer is meant, not"
            " that it is a good one."
        )
    else:
        positive = "Each class in turn is the positive one, against the rest."
    return Note(title="Who is compared", text=" ".join([which, *left_out, positive]))


def bars(column: Column, rate: Rate, findings: list[Finding], data: Dataset) -> Bars:
    """Return one rate of every group, with its interval."""
    return Bars(
        title=f"By {column.name}: {in_full(rate, 1, data)}",
        value_label=WORDS[rate].label,
        bars=[
            Bar(label=group, value=one.value, low=one.low, high=one.high, n=one.n)
            for group, one in zip(column.groups, findings, strict=True)
        ],
    )


_OF_RATES = {"share": ["share", "low", "high"]}


def _rate_rows(column: Column, rate: Rate, positive: int, level: float) -> list[list[Scalar]]:
    """Return group, share, low, high, count and n; a share without a denominator is missing."""
    rows: list[list[Scalar]] = []
    hits, totals = column.rates(rate, positive)
    for group, hit, total in zip(column.groups, hits.tolist(), totals.tolist(), strict=True):
        share = hit / total if total else None
        low, high = clopper_pearson(hit, total, level=level) if total else (None, None)
        rows.append([group, share, low, high, hit, total])
    return rows


def rates_table(column: Column, rates: tuple[Rate, ...], data: Dataset, level: float) -> Table:
    """Return the rates of every group."""
    positive = f"; positive class {data.classes[1]!r}" if len(data.classes) == 2 else ""
    return Table(
        title=f"Rates by {column.name}{positive}",
        columns=["rate", "group", "share", "low", "high", "count", "n", "n counts"],
        rows=[
            [WORDS[rate].label, *row, WORDS[rate].denominator]
            for rate in rates
            for row in _rate_rows(column, rate, 1, level)
        ],
        units=_OF_RATES,
    )


def classes_table(column: Column, data: Dataset, *, minimum_n: int, level: float) -> Table:
    """Return the rates of each class against the rest, the class with the widest gap first."""

    def widest(positive: int) -> float:
        found = [compare(column, rate, positive, minimum_n=minimum_n) for rate in OF_A_CLASS]
        return max((one.gap for one in found if one), default=0.0)

    order = sorted(range(len(data.classes)), key=lambda c: -widest(c))
    shown = order[:CLASSES_SHOWN]
    return Table(
        title=f"Rates by {column.name} of each class against the rest, widest gap first:"
        f" {len(shown)} of {len(order)} classes",
        columns=["class", "rate", "group", "share", "low", "high", "count", "n"],
        rows=[
            [data.classes[c], WORDS[rate].label, *row]
            for c in shown
            for rate in OF_A_CLASS
            for row in _rate_rows(column, rate, c, level)
        ],
        units=_OF_RATES,
    )


class GapRow(NamedTuple):
    """One line of the table of gaps."""

    label: str
    gap: Gap | None
    class_: str


def gaps_table(column: Column, gaps: list[GapRow], p: dict[tuple[str, str], float]) -> Table:
    """Return the gaps with the groups at their two ends and those left out."""
    return Table(
        title=f"Gaps by {column.name}",
        columns=[
            "rate", "class", "gap", "low", "high", "p", "adjusted p", "highest", "lowest",
            "left out (small)", "classes compared", "mean gap of the classes",
        ],
        rows=[
            [row.label, *_gap_row(column, row, p.get((f"{row.label} gap", column.name)))]
            for row in gaps
        ],
        units={"share difference": ["gap", "low", "high", "mean gap of the classes"]},
    )  # fmt: skip


def _gap_row(column: Column, row: GapRow, adjusted_p: float | None) -> list[Scalar]:
    gap = row.gap
    if gap is None:
        left_out = _names(column, np.arange(len(column.groups)))
        return [None, None, None, None, None, None, None, None, left_out, 0, None]
    one = gap.widest
    highest, lowest = one.groups[one.rates.shares.argmax()], one.groups[one.rates.shares.argmin()]
    left_out = np.setdiff1d(np.arange(len(column.groups)), one.groups)
    return [
        row.class_,
        one.gap,
        gap.interval.low,
        gap.interval.high,
        gap.p,
        adjusted_p,
        column.groups[highest] if one.gap else "(equal)",
        column.groups[lowest] if one.gap else "(equal)",
        _names(column, left_out),
        gap.classes,
        gap.mean,
    ]


def _names(column: Column, groups: Ints) -> str:
    """Return names of groups, at most `NAMED` of them and how many more there are."""
    more = f" and {len(groups) - NAMED} more" if len(groups) > NAMED else ""
    return ", ".join(column.groups[g] for g in groups[:NAMED].tolist()) + more


def scores_table(
    column: Column, groups: list[int], means: list[Finding], errors: list[Finding]
) -> Table:
    """Return mean score and calibration error of some groups; the first of two classes alone."""
    rows: list[list[Scalar]] = [
        [label, column.groups[g], one.value, one.low, one.high, one.n]
        for label, found in (("mean score", means), ("calibration error", errors))
        for g, one in zip(groups, found, strict=False)  # there may be no mean scores
    ]
    return Table(
        title=f"Scores by {column.name}",
        columns=["what", "group", "value", "low", "high", "n"],
        rows=rows,
        units={"share": ["value", "low", "high"]},
    )


def worst_cells_table(column: Column, data: Dataset, minimum_n: int, level: float) -> Table:
    """Return the lowest accuracies of a label within a group."""
    counts = column.counts
    groups, labels = np.nonzero(counts.labels >= minimum_n)
    hits, totals = counts.hits[groups, labels], counts.labels[groups, labels]
    order = np.argsort(hits / totals, kind="stable")[:CLASSES_SHOWN]
    cells = [int(np.count_nonzero(counts.labels)), len(groups)]
    return Table(
        title=f"Lowest accuracies of a label within a group of {column.name}: {len(order)} of"
        f" {cells[1]} cells with at least {minimum_n} inputs ({cells[0]} hold any)",
        columns=["group", "label", "accuracy", "low", "high", "count", "n"],
        rows=[
            [
                column.groups[groups[i]],
                data.classes[labels[i]],
                int(hits[i]) / int(totals[i]),
                *clopper_pearson(int(hits[i]), int(totals[i]), level=level),
                int(hits[i]),
                int(totals[i]),
            ]
            for i in order
        ],
        units={"share": ["accuracy", "low", "high"]},
    )


def small_groups_table(
    columns: list[Column], rates: tuple[Rate, ...], minimum_n: int
) -> Table | None:
    """Return the groups below `minimum_n` with the n they would need, if there are any."""
    rows: list[list[Scalar]] = []
    for column in columns:
        for rate in rates:
            hits, totals = column.rates(rate, 1)
            small = totals < minimum_n
            if column.crossed and rate != "accuracy":  # a cell that is small altogether stands once
                small &= column.counts.n >= minimum_n
            for g in np.flatnonzero(small):
                share = (hits[g] + 2) / (totals[g] + 4)  # a guess that is never 0 or 1
                needed = n_for_half_width(float(share), HALF_WIDTH)
                rows.append(
                    [column.name, column.groups[g], WORDS[rate].label, int(totals[g]), needed]
                )
    if not rows:
        return None
    return Table(
        title=f"Groups with fewer than {minimum_n} in a rate's denominator: left out of its gap",
        columns=["column", "group", "rate", "n", f"n for an interval of +-{HALF_WIDTH}"],
        rows=rows,
    )


def four_fifths(columns: list[tuple[str, Interval, float]]) -> Table:
    """Return which ratios of selection rates keep the four-fifths rule.

    Parameters
    ----------
    columns : list of (str, Interval, float)
        Name, interval and value of the ratio.
    """
    return Table(
        title="Four-fifths rule: the smallest selection rate should be at least 80 % of the"
        " largest. A rule of thumb of United States hiring guidelines, no proof either way",
        columns=["by", "ratio", "low", "high", "rule"],
        rows=[[name, value, *ends, _rule(value, ends)] for name, ends, value in columns],
        units={"share": ["ratio", "low", "high"]},
    )


def _rule(value: float, ends: Interval) -> str:
    if ends.high < FOUR_FIFTHS:
        return "not kept"
    if ends.low >= FOUR_FIFTHS:
        return "kept"
    return "not kept, but not surely" if value < FOUR_FIFTHS else "kept, but not surely"

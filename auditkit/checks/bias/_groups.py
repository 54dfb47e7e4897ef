"""The groups of a column, the rates that compare them, and how both are shown."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from auditkit.checks.base import NotApplicable
from auditkit.data.dataset import Dataset, require_columns
from auditkit.findings import Bar, Bars, Finding, Note, Table
from auditkit.methods.metrics.groups import GroupCounts, Rates, count_groups
from auditkit.statistics import Interval, clopper_pearson, n_for_half_width
from auditkit.types import Better, Ints, Scalar

Rate: TypeAlias = Literal["accuracy", "selection_rate", "tpr", "fpr"]
OF_A_CLASS: tuple[Rate, ...] = ("selection_rate", "tpr", "fpr")  # they need a positive class
MISSING = "(missing)"
HALF_WIDTH = 0.05  # small groups are told the n that gives a rate this interval
CLASSES_SHOWN = 20


class Words(NamedTuple):
    label: str
    definition: str
    denominator: str
    better: Better


WORDS: dict[Rate, Words] = {
    "accuracy": Words(
        "accuracy",
        "Correct predictions among all inputs of the group.",
        "inputs",
        "higher",
    ),
    "selection_rate": Words(
        "selection rate",
        "Predictions of the positive class among all inputs of the group.",
        "inputs",
        "neither",
    ),
    "tpr": Words(
        "true positive rate",
        "Predictions of the positive class among the group's inputs labelled positive.",
        "inputs labelled positive",
        "higher",
    ),
    "fpr": Words(
        "false positive rate",
        "Predictions of the positive class among the group's inputs not labelled positive.",
        "inputs not labelled positive",
        "lower",
    ),
}


class Column(NamedTuple):
    """The groups of one column and what was counted in them."""

    name: str
    groups: tuple[str, ...]
    counts: GroupCounts

    def rates(self, rate: Rate, positive: int) -> Rates:
        """Return one rate of every group."""
        match rate:
            case "accuracy":
                return self.counts.accuracy()
            case "selection_rate":
                return self.counts.selection_rate(positive)
            case "tpr":
                return self.counts.tpr(positive)
            case "fpr":
                return self.counts.fpr(positive)


class Compared(NamedTuple):
    """The groups whose denominator is large enough, for one positive class."""

    positive: int
    groups: Ints  # positions in the column's groups
    rates: Rates

    @property
    def gap(self) -> float:
        """Largest minus smallest share."""
        return float(np.ptp(self.rates.shares))


class Gap(NamedTuple):
    """One rate's gap: of the class where it is widest, with an interval over all classes."""

    widest: Compared
    interval: Interval
    method: str
    p: float
    classes: int  # classes that could be compared


def compare(column: Column, rate: Rate, positive: int, *, minimum_n: int) -> Compared | None:
    """Return the groups with at least `minimum_n` in the denominator, if there are two."""
    rates = column.rates(rate, positive)
    enough = np.flatnonzero(rates.totals >= minimum_n)
    return Compared(positive, enough, rates.of(enough)) if len(enough) > 1 else None


def names_of(data: Dataset) -> tuple[str, ...]:
    """Return the columns to compare."""
    names = data.sensitive or tuple(map(str, data.attributes.columns))
    require_columns(data.attributes, names, where=data.name)
    return names


def nothing_to_compare(data: Dataset) -> NotApplicable | None:
    """Return why no groups can be compared."""
    names = names_of(data)
    if not names:
        return NotApplicable("the data has no column that divides the inputs into groups")
    if all(data.attributes[name].nunique(dropna=False) < 2 for name in names):
        return NotApplicable(f"all inputs belong to one group ({', '.join(names)})")
    return None


def groups_of(name: str, data: Dataset) -> tuple[Ints, tuple[str, ...]]:
    """Return each input's group (n,) in a column, and the names of the groups.

    A missing value is a group of its own.
    """
    groups = data.attributes[name].astype(object)
    groups = groups.where(groups.notna(), MISSING).astype(str)
    codes, names = pd.factorize(groups.to_numpy(dtype=object), sort=True)
    return codes, tuple(map(str, names))


def column_of(name: str, predicted: Ints, data: Dataset) -> Column:
    """Return the groups of a column and what was counted in them."""
    codes, names = groups_of(name, data)
    counts = count_groups(
        codes, data.labels, predicted, groups=len(names), classes=len(data.classes)
    )
    return Column(name, names, counts)


def positives(rate: Rate, data: Dataset) -> range:
    """Return the classes that take the part of the positive one."""
    if rate == "accuracy" or len(data.classes) == 2:
        return range(1, 2)
    return range(len(data.classes))


# --- evidence ------------------------------------------------------------------------------------


def definitions(data: Dataset, columns: list[Column]) -> Note:
    """Return which groups are compared, and by which rates."""
    names = ", ".join(names_of(data))
    if data.sensitive:
        which = f"Compared by the sensitive columns: {names}."
    else:
        which = f"No column is marked sensitive. Compared by every column: {names}."
        if data.derived:
            derived = ", ".join(data.derived)
            which += f" Derived from the inputs themselves, not descriptions of people: {derived}."
    alone = [column.name for column in columns if len(column.groups) == 1]
    if alone:
        which += f" Not compared, because all inputs belong to one group: {', '.join(alone)}."
    if len(data.classes) == 2:
        positive = f"The positive class is {data.classes[1]!r} (index 1)."
    else:
        positive = "Each class in turn is the positive one, against the rest."
    rates = " ".join(f"{w.label.capitalize()}: {w.definition}" for w in WORDS.values())
    return Note(title="Groups and rates", text=f"{which} {positive} {rates}")


def bars(column: Column, rate: Rate, findings: list[Finding]) -> Bars:
    """Return one rate of every group, with its interval."""
    return Bars(
        title=f"{WORDS[rate].label.capitalize()} by {column.name}",
        value_label=WORDS[rate].label,
        bars=[
            Bar(label=group, value=one.value, low=one.low, high=one.high, n=one.n)
            for group, one in zip(column.groups, findings, strict=True)
        ],
    )


def _rate_rows(column: Column, rate: Rate, positive: int, level: float) -> list[list[Scalar]]:
    """Return group, share, low, high, count and n; a share without a denominator is missing."""
    rows: list[list[Scalar]] = []
    hits, totals = column.rates(rate, positive)
    for group, hit, total in zip(column.groups, hits.tolist(), totals.tolist(), strict=True):
        share = hit / total if total else None
        low, high = clopper_pearson(hit, total, level=level) if total else (None, None)
        rows.append([group, share, low, high, hit, total])
    return rows


def rates_table(column: Column, rates: list[Rate], data: Dataset, level: float) -> Table:
    """Return the rates of every group."""
    positive = f"; positive class {data.classes[1]!r}" if len(data.classes) == 2 else ""
    return Table(
        title=f"Rates by {column.name}{positive}",
        columns=["rate", "group", "share", "low", "high", "count", "n"],
        rows=[
            [WORDS[rate].label, *row]
            for rate in rates
            for row in _rate_rows(column, rate, 1, level)
        ],
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
    )


def gaps_table(column: Column, gaps: dict[Rate, Gap | None], data: Dataset) -> Table:
    """Return the gaps with the groups at their two ends and those left out."""
    return Table(
        title=f"Gaps by {column.name}",
        columns=[
            "rate", "class", "gap", "low", "high", "p", "highest", "lowest", "left out (small)",
            "classes compared",
        ],
        rows=[
            [WORDS[rate].label, *_gap_row(column, rate, gap, data)] for rate, gap in gaps.items()
        ],
    )  # fmt: skip


def _gap_row(column: Column, rate: Rate, gap: Gap | None, data: Dataset) -> list[Scalar]:
    if gap is None:
        return [None, None, None, None, None, None, None, ", ".join(column.groups), 0]
    one = gap.widest
    highest, lowest = one.groups[one.rates.shares.argmax()], one.groups[one.rates.shares.argmin()]
    left_out = [name for g, name in enumerate(column.groups) if g not in one.groups]
    return [
        "all" if rate == "accuracy" else data.classes[one.positive],
        one.gap,
        gap.interval.low,
        gap.interval.high,
        gap.p,
        column.groups[highest] if one.gap else "(equal)",
        column.groups[lowest] if one.gap else "(equal)",
        ", ".join(left_out),
        gap.classes,
    ]


def small_groups_table(columns: list[Column], rates: list[Rate], minimum_n: int) -> Table | None:
    """Return the groups below `minimum_n` with the n they would need, if there are any."""
    rows: list[list[Scalar]] = []
    for column in columns:
        for rate in rates:
            hits, totals = column.rates(rate, 1)
            for g in np.flatnonzero(totals < minimum_n):
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

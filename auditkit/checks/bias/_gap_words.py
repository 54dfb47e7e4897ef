"""Rates and gaps for readers who know neither: which groups, which answer, how many of how many."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from auditkit.checks.bias._groups import WORDS, Column, Gap, Rate
from auditkit.data.dataset import Dataset
from auditkit.findings import Note, Table
from auditkit.percent import percent
from auditkit.types import Scalar

SURE, UNSURE, NOT_SURE = "yes", "perhaps", "chance could explain it"


class AdjustedGap(NamedTuple):
    """One gap of a column, with its p-value after the correction for the number of tests."""

    rate: Rate
    gap: Gap
    adjusted_p: float


def phrase(rate: Rate, positive: int, data: Dataset) -> str:
    """Return what a rate counts and of whom, in the names of the classes.

    Examples
    --------
    Of the classes 'no' and 'yes' the false positive rate is: answered 'yes', of those labelled 'no'
    """
    yes = repr(data.classes[positive])
    no = repr(data.classes[1 - positive]) if len(data.classes) == 2 else None
    match rate:
        case "accuracy":
            return "answered right, of all"
        case "selection_rate":
            return f"answered {yes}, of all"
        case "tpr":
            return f"answered {yes}, of those labelled so"
        case "fpr":
            return f"wrongly answered {yes}, of those labelled {no or 'otherwise'}"
        case "fnr":
            return f"wrongly answered {no or 'something else'}, of those labelled {yes}"
        case "ppv":
            return f"labelled {yes}, of those answered so"


class GapInWords(NamedTuple):
    """A gap as a sentence says it."""

    column: str
    what: str
    most: str
    least: str
    gap: str
    sure: str  # whether it is more than chance explains: test and interval, one of them, neither


def gaps_in_words(
    column: Column, gaps: list[AdjustedGap], data: Dataset, *, alpha: float
) -> list[GapInWords]:
    """Return who is treated how, what is surely more than chance first and the widest gap first.

    Parameters
    ----------
    column : Column
        Whose groups are compared.
    gaps : list of AdjustedGap
        One that is zero, or that is about too few to be told, is left out.
    data : Dataset
        For the names of the classes, and the fewest inputs that may be told of.
    alpha : float
        An adjusted p-value of at most this is more than chance.
    """
    return [
        _gap_in_words(column, one, data, alpha)
        for one in sorted(gaps, key=lambda one: (-_votes(one, alpha), -one.gap.widest.gap))
        if one.gap.widest.gap > 0 and one.gap.widest.rates.totals.min() >= data.min_cell
    ]


def _gap_in_words(column: Column, one: AdjustedGap, data: Dataset, alpha: float) -> GapInWords:
    widest, (low, high) = one.gap.widest, one.gap.interval
    rate, (hits, totals) = one.rate, widest.rates
    if rate == "tpr":  # whom the model misses is easier to picture than whom it finds
        rate, hits = "fnr", totals - hits
    shares = hits / totals

    def group(place: np.intp) -> str:
        name = column.groups[widest.groups[place]]
        return f"{name}: {percent(shares[place])} ({hits[place]:,} of {totals[place]:,})"

    return GapInWords(
        column=column.name,
        what=phrase(rate, widest.positive, data),
        most=group(shares.argmax()),
        least=group(shares.argmin()),
        gap=f"{100 * widest.gap:.1f} ({100 * low:.1f} to {100 * high:.1f})",
        sure=(NOT_SURE, UNSURE, SURE)[_votes(one, alpha)],
    )


def _votes(one: AdjustedGap, alpha: float) -> int:
    """Return how many of the two, test and interval, call a gap more than chance."""
    return (one.adjusted_p <= alpha) + (one.gap.interval.low > 0)


def in_short(found: list[GapInWords]) -> Table | Note:
    """Return the gaps that are more than chance explains, or that there is none."""
    title = "In short: where groups surely differ"
    sure = [one for one in found if one.sure == SURE]
    if sure:
        rows: list[list[Scalar]] = [[one.column, *_told(one)] for one in sure]
        return Table(title=title, columns=["by", *_TOLD], rows=rows)
    none = (
        "No gap between two groups of a column is surely more than chance explains. That is no"
        " evidence of equal treatment: where inputs are few, chance explains much."
    )
    return Note(title=title, text=none)


def words_table(found: list[GapInWords]) -> Table:
    """Return the gaps of one column, at least one, with their intervals."""
    return Table(
        title=f"By {found[0].column}: which group most often, which least often",
        columns=[*_TOLD, "more than chance"],
        rows=[[*_told(one), one.sure] for one in found],
    )


_TOLD = ("what happened", "most often", "least often", "gap in points")


def _told(one: GapInWords) -> list[Scalar]:
    return [one.what, one.most, one.least, one.gap]


def in_full(rate: Rate, positive: int, data: Dataset) -> str:
    """Return a rate in words, with the name that the field has for it."""
    return f"{phrase(rate, positive, data)} ({WORDS[rate].label})"

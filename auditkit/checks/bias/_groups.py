"""What the rates that compare groups are called and made of."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from auditkit.data.dataset import Dataset
from auditkit.methods.metrics.calibration import Reliability, reliability
from auditkit.methods.metrics.groups import GroupCounts, Rates, count_groups, equal_mass_bins
from auditkit.statistics import Interval
from auditkit.types import Better, Bools, Floats, Ints

Rate: TypeAlias = Literal["accuracy", "selection_rate", "tpr", "fpr", "fnr", "ppv"]
OF_A_CLASS: tuple[Rate, ...] = ("selection_rate", "tpr", "fpr", "ppv")  # they need a positive class
COMPARED: tuple[Rate, ...] = ("accuracy", *OF_A_CLASS)  # a gap in FNR is the gap in TPR
SHOWN: tuple[Rate, ...] = ("accuracy", "selection_rate", "tpr", "fpr", "fnr", "ppv")


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
    "fnr": Words(
        "false negative rate",
        "Predictions of another class among the group's inputs labelled positive: one minus the"
        " true positive rate, so that its gap is that one's.",
        "inputs labelled positive",
        "lower",
    ),
    "ppv": Words(
        "positive predictive value",
        "Inputs labelled positive among the group's predictions of the positive class.",
        "predictions of the positive class",
        "higher",
    ),
}


class Grouping(NamedTuple):
    """Which group each input belongs to (n,), and the groups' names; code -1 is left out."""

    name: str
    codes: Ints
    groups: tuple[str, ...]
    crossed: bool = False  # an intersection of columns


class Scores(NamedTuple):
    """What a model says of how likely something is, and whether it was so."""

    values: Floats  # (n,) in [0, 1]
    true: Bools  # (n,)
    bins: Ints  # (n,) of about equal mass
    bin_means: Floats  # (b,)


class GroupScores(NamedTuple):
    """The scores of g groups."""

    means: Floats  # (g,); NaN without inputs
    squares: Floats  # (g,) means of squares
    binned: Ints  # (g, b)
    bin_means: Floats  # (b,)
    reliability: list[Reliability]  # (g,)


class Column(NamedTuple):
    """The groups of one column or intersection, and what was counted in them."""

    name: str
    groups: tuple[str, ...]
    counts: GroupCounts
    scores: GroupScores
    crossed: bool

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
            case "fnr":
                return self.counts.fnr(positive)
            case "ppv":
                return self.counts.ppv(positive)


class Compared(NamedTuple):
    """The groups whose denominator is large enough, for one rate and positive class."""

    rate: Rate
    positive: int
    groups: Ints  # positions in the column's groups
    rates: Rates

    @property
    def gap(self) -> float:
        """Largest minus smallest share."""
        return float(np.ptp(self.rates.shares))


class Gap(NamedTuple):
    """The widest gap of some rates and classes, with an interval over all of them."""

    widest: Compared
    interval: Interval
    method: str
    p: float
    mean: float  # over the classes compared
    classes: int  # classes that could be compared


def compare(column: Column, rate: Rate, positive: int, *, minimum_n: int) -> Compared | None:
    """Return the groups with at least `minimum_n` in the denominator, if there are two."""
    rates = column.rates(rate, positive)
    enough = np.flatnonzero(rates.totals >= minimum_n)
    return Compared(rate, positive, enough, rates.of(enough)) if len(enough) > 1 else None


def scores_of(score: Floats, true: Bools) -> Scores:
    """Return scores (n,) with what they are compared with."""
    return Scores(score, true, *equal_mass_bins(score))


def column_of(one: Grouping, predicted: Ints, scores: Scores, data: Dataset) -> Column:
    """Return the groups of a column and what was counted in them."""
    if (one.codes < 0).any():
        kept = np.flatnonzero(one.codes >= 0)
        one = one._replace(codes=one.codes[kept])
        scores = scores._replace(
            values=scores.values[kept], true=scores.true[kept], bins=scores.bins[kept]
        )
        predicted, labels = predicted[kept], data.labels[kept]
    else:
        labels = data.labels
    counts = count_groups(
        one.codes, labels, predicted, groups=len(one.groups), classes=len(data.classes)
    )
    return Column(one.name, one.groups, counts, _grouped(one, scores), one.crossed)


def _grouped(one: Grouping, scores: Scores) -> GroupScores:
    g, b = len(one.groups), len(scores.bin_means)
    order = np.lexsort((scores.values, one.codes))  # sums in it do not depend on that of the inputs
    codes, values, true = one.codes[order], scores.values[order], scores.true[order]
    n = np.bincount(codes, minlength=g)
    ends = np.cumsum(n).tolist()
    parts = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
    return GroupScores(
        means=np.bincount(codes, weights=values, minlength=g) / n,
        squares=np.bincount(codes, weights=values**2, minlength=g) / n,
        binned=np.bincount(one.codes * b + scores.bins, minlength=g * b).reshape(g, b),
        bin_means=scores.bin_means,
        reliability=[reliability(values[part], true[part]) for part in parts],
    )


def positives(rate: Rate, data: Dataset) -> range:
    """Return the classes that take the part of the positive one."""
    if rate == "accuracy" or len(data.classes) == 2:
        return range(1, 2)
    return range(len(data.classes))

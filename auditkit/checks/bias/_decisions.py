"""Decisions for or against a class by a threshold on its score, and how groups fare by them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, NotApplicable, Records
from auditkit.checks.groups import groups_of, nothing_sensitive
from auditkit.checks.halves import searched_half, too_few
from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError, near_miss
from auditkit.findings import Finding
from auditkit.methods.metrics.classification import log_probabilities
from auditkit.statistics import Interval, gap_of_shares, paired_difference
from auditkit.types import Bools, Floats, Ints, Params

Kind: TypeAlias = Literal["selection_rate", "tpr", "fpr"]
KINDS: dict[Kind, str] = {
    "selection_rate": "selection rate",
    "tpr": "true positive rate",
    "fpr": "false positive rate",
}
SHARED = 0.5  # the threshold that a model of two classes has by itself
PICTURE = (
    "This is a picture of what thresholds can do, not advice to use them: whether people of"
    " different groups may be judged by different thresholds is a question of law and of values,"
    " and the labels may be wrong in ways that no threshold mends."
)


def require_class(data: Dataset, positive: str) -> None:
    """Raise ConfigError if the positive class is none of the data's; "" stands for the default."""
    if positive and positive not in data.classes:
        raise ConfigError(
            f"positive is {positive!r}, and the classes are {', '.join(map(repr, data.classes))}."
            f"{near_miss(positive, data.classes)}",
            hint="Name the class that is decided for or against.",
        )


def cannot_decide(data: Dataset, positive: str) -> NotApplicable | None:
    """Return why there is no decision to look at.

    Raises
    ------
    ConfigError
        If the positive class is none of the data's.
    """
    require_class(data, positive)
    if not positive and len(data.classes) != 2:
        return NotApplicable(
            "with more than two classes it needs one that is decided for or against: the parameter"
            " positive"
        )
    return too_few(data) or nothing_sensitive(data)


def class_of(data: Dataset, positive: str) -> int:
    """Return the class that is decided for or against; of two the second by default."""
    return data.classes.index(positive) if positive else 1


def scored(artifacts: Artifacts, check: str, positive: str) -> Records:
    """Return the probability of the positive class, and which half an input belongs to."""
    chances = np.exp(log_probabilities(artifacts[Predictions].logits.numpy()))  # (n, k)
    half = artifacts.once((check, "half"), lambda: searched_half(artifacts, check))
    return Records(
        artifacts.ids,
        score=chances[:, class_of(artifacts.data, positive)],
        fitted=half[artifacts.positions],
    )


class Sample(NamedTuple):
    """Inputs whose decisions are looked at, m of them."""

    score: Floats  # (m,)
    positive: Bools  # (m,) truth
    codes: Ints  # (m,) group
    groups: tuple[str, ...]

    def at(self, rows: Bools) -> Sample:
        """Return some of them."""
        return Sample(self.score[rows], self.positive[rows], self.codes[rows], self.groups)

    def right(self, chosen: Bools) -> Bools:
        """Return which decisions (m,) agree with the labels."""
        return chosen == self.positive

    def counts(self, kind: Kind, chosen: Bools) -> tuple[Ints, Ints]:
        """Return the numerator and denominator of a rate in every group, each (g,)."""
        inside = {
            "selection_rate": np.ones(len(chosen), dtype=np.bool_),
            "tpr": self.positive,
            "fpr": ~self.positive,
        }[kind]
        g = len(self.groups)
        return (
            np.bincount(self.codes[inside & chosen], minlength=g),
            np.bincount(self.codes[inside], minlength=g),
        )

    def gap(self, kind: Kind, chosen: Bools, least: int) -> RateGap | None:
        """Return how far the groups with at least `least` in the denominator lie apart."""
        hits, totals = self.counts(kind, chosen)
        (enough,) = np.nonzero(totals >= least)
        return RateGap(enough, hits[enough], totals[enough]) if len(enough) > 1 else None


class RateGap(NamedTuple):
    """Rates of groups that are large enough to be compared."""

    groups: Ints
    hits: Ints
    totals: Ints

    @property
    def size(self) -> float:
        """Largest minus smallest."""
        return float(np.ptp(self.hits / self.totals))

    def interval(self, level: float) -> Interval:
        """Return the interval of the gap."""
        return gap_of_shares(self.hits, self.totals, level=level)

    def finding(
        self, check: Check, metric: str, where: str, swept: Params, evidence: Sequence[str],
        level: float,
    ) -> Finding:  # fmt: skip
        """Return the gap as a finding."""
        return check.value(
            metric, self.size, n=int(self.totals.sum()), interval=self.interval(level),
            method="newcombe" if len(self.groups) == 2 else "simultaneous", slice_name=where,
            swept=swept, evidence=evidence, level=level,
        )  # fmt: skip


def too_small(check: Check, metric: str, where: str, swept: Params, n: int, least: int) -> Finding:
    """Return a gap that cannot be compared."""
    why = f"fewer than two groups have {least} inputs in the denominator (minimum_n)"
    return check.undefined(metric, why, n=n, slice_name=where, swept=swept)


def gap_or_why(
    check: Check, metric: str, gap: RateGap | None, where: str, *, n: int, least: int,
    level: float, swept: Params | None = None, evidence: Sequence[str] = (),
) -> Finding:  # fmt: skip
    """Return a gap as a finding, or why there is none."""
    if gap is None:
        return too_small(check, metric, where, swept or {}, n, least)
    return gap.finding(check, metric, where, swept or {}, evidence, level)


def accuracy_change(
    check: Check, sample: Sample, before: Bools, after: Bools, where: str, *, level: float,
    swept: Params | None = None, evidence: Sequence[str] = (),
) -> Finding:  # fmt: skip
    """Return the accuracy of other decisions less that of the first, on the same inputs."""
    change, interval = paired_difference(sample.right(after), sample.right(before), level=level)
    return check.value(
        "accuracy_change", change, n=len(before), interval=interval, method="newcombe-paired",
        slice_name=where, swept=swept, evidence=evidence, level=level,
    )  # fmt: skip


def samples(records: Records, context: Context, positive: str) -> dict[str, Sample]:
    """Return all inputs, once per sensitive column with at least two groups."""
    data = context.data
    truth = data.labels == class_of(data, positive)
    found = {name: groups_of(name, data) for name in data.sensitive}
    return {
        name: Sample(records["score"].astype(np.float64), truth, codes, groups)
        for name, (codes, groups) in found.items()
        if len(groups) > 1
    }


def least_of(minimum_n: int, data: Dataset) -> int:
    """Return the fewest inputs that a rate may be made of."""
    return max(minimum_n, data.min_cell)

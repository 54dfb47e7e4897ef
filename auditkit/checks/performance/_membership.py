"""What is compared of training inputs and new ones, and what chance alone would show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self, final

import numpy as np

from auditkit.checks.base import Records
from auditkit.findings import Curve, Scalar, Series
from auditkit.methods.metrics.auc import auc, auc_interval
from auditkit.methods.metrics.membership import centred_by_class
from auditkit.randomness import generator
from auditkit.statistics import Interval
from auditkit.types import Bools, Floats, Ints

_POINTS = 101  # of a curve
_ROWS = 50  # classes in a table


@final
@dataclass(frozen=True)
class Group:
    """What is known of n inputs."""

    correct: Bools  # (n,)
    odds: Floats  # (n,) log odds of the true class
    labels: Ints  # (n,)

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def of(cls, records: Records, which: str) -> Self:
        """Return the columns of the members, or of the audited inputs."""
        names = ("correct", "odds", "label")
        return cls(*(records[f"{which}_{name}"] for name in names))

    def only(self, which: Bools) -> Group:
        """Return some of them."""
        return Group(self.correct[which], self.odds[which], self.labels[which])


class Scores(NamedTuple):
    """How familiar inputs look, and how often members look more familiar."""

    members: Floats
    others: Floats
    area: float


def areas(members: Group, others: Group) -> Scores:
    """Return the log odds of both less the median of their class, and the area between them."""
    both = centred_by_class(
        np.concatenate([members.odds, others.odds]),
        np.concatenate([members.labels, others.labels]),
    )
    is_member = np.arange(len(both)) < len(members)
    return Scores(both[: len(members)], both[len(members) :], auc(both, is_member))


class Halvings(NamedTuple):
    """What membership inference said of halves that nobody can tell apart."""

    alarmed: int
    middle: float
    spread: Interval  # 95 % of the areas lie within


def false_alarms(audited: Group, *, count: int, seed: int, level: float) -> Halvings:
    """Divide the audited inputs at random, and tell one half from the other as if it were known."""
    n, rng = len(audited), generator(seed)
    if n < 2:
        return Halvings(0, 0.5, Interval(0.0, 1.0))
    found = np.empty(count)
    alarmed = 0
    scores = centred_by_class(audited.odds, audited.labels)  # whoever is called a member
    for i in range(count):
        called = rng.permutation(n) < n // 2
        found[i] = auc(scores, called)
        low, high = auc_interval(float(found[i]), n // 2, n - n // 2, level=level)
        alarmed += not low <= 0.5 <= high
    low, high = np.quantile(found, [0.025, 0.975])
    return Halvings(alarmed, float(found.mean()), Interval(float(low), float(high)))


def operating_curve(members: Floats, others: Floats) -> Curve:
    """Return the share of members above each threshold over the share of others."""
    shares = np.linspace(0, 1, _POINTS)
    downwards = np.sort(others)[::-1]
    above: list[float] = []
    for share in shares:
        allowed = int(np.floor(share * len(others) + 1e-9))
        threshold = -np.inf if allowed >= len(others) else downwards[allowed]
        above.append(float(np.mean(members > threshold)))
    return Curve(
        title="Training inputs recognised over new inputs taken for them",
        x_label="false positive rate",
        y_label="true positive rate",
        series=[
            Series(name="by loss and class", x=shares.tolist(), y=list(above)),
            Series(name="guessing", x=[0.0, 1.0], y=[0.0, 1.0]),
        ],
    )


def class_rows(members: Group, audited: Group, classes: Sequence[str]) -> list[list[Scalar]]:
    """Return name, accuracy and inputs of both, and the gap, the widest gap first."""
    rows: list[tuple[float, list[Scalar]]] = []
    for label, name in enumerate(classes):
        known, new = members.labels == label, audited.labels == label
        shares = [
            float(one.correct[here].mean()) if here.any() else None
            for one, here in ((members, known), (audited, new))
        ]
        first, second = shares
        gap = None if first is None or second is None else first - second
        cells: list[Scalar] = [name, first, int(known.sum()), second, int(new.sum()), gap]
        rows.append((-1.0 if gap is None else gap, cells))
    return [cells for _, cells in sorted(rows, key=lambda one: -one[0])][:_ROWS]

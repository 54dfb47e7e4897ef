"""How many labels of a group would have to be wrong to explain its gap?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.groups import groups_of, nothing_sensitive
from auditkit.checks.parameters import require_least
from auditkit.data.dataset import Dataset
from auditkit.findings import Bar, Bars, Evidence, Finding, Metric, Table
from auditkit.methods.metrics.individual import drawn_shares, quantiles
from auditkit.methods.metrics.label_bias import Rate, labels_needed, rate_of, turned
from auditkit.models.classifier import Classifier
from auditkit.statistics import Interval, newcombe
from auditkit.types import Floats, Ints, Params, Scalar

PURPOSE = "label-bias-sensitivity"
_RATES: dict[Rate, str] = {
    "accuracy": "inputs",
    "tpr": "inputs labelled positive",
    "fpr": "inputs labelled negative",
}


@final
@dataclass(frozen=True, kw_only=True)
class LabelBiasSensitivity(Check):
    """The share of a group's labels that would explain why it is served worse than all others.

    Parameters
    ----------
    minimum_n : int
        Fewest inputs in the denominator of a rate, of the group and of the others, at least 1.

    Raises
    ------
    ConfigError
        If `minimum_n` is below 1.
    """

    meta: ClassVar[Meta] = Meta(
        id=PURPOSE,
        family="bias",
        question="How many labels of a group would have to be wrong to explain its gap?",
        explanation=(
            "A group that is served worse than all others may be judged by labels that are wrong"
            " more often. Labels of wrong answers in the group are turned, the most helpful first,"
            " until its accuracy, true positive or false positive rate is that of all others: the"
            " fewer it takes, the easier the gap is explained by the labels alone. Besides, how"
            " few it takes until the gap is no longer told from luck."
        ),
        not_shown=(
            "Whether any label is wrong: that needs people who look at them again. The number is"
            " the fewest, with every error where it matters most; errors at random would have to be"
            " many more. Wrong labels among the others, and labels that are wrong in the group's"
            " favour, which would hide a gap."
        ),
        remedy=(
            "Where a few labels explain a gap, have those of the group's wrong answers checked by"
            " people who do not know the answers, before the model is changed. Where it takes many,"
            " look at the model and its training data."
        ),
        metrics={
            "wrong_labels": Metric(
                label="labels that would explain the gap",
                definition=(
                    "Fewest of the group's labels to turn until its rate is as good as that of all"
                    " others, among all labels of the group; 0 where it is as good already."
                ),
                unit="share",
                better="lower",
            ),
            "labels_to_doubt": Metric(
                label="labels until the gap may be luck",
                definition=(
                    "Fewest of the group's labels to turn, in the same order, until the interval of"
                    " the difference to all others holds 0; 0 where it does already."
                ),
                unit="labels",
                better="lower",
            ),
        },
        headline=f"{PURPOSE}/wrong_labels/*",
        references=(
            "Fogliato, Chouldechova and G'Sell, 2020, arXiv:2003.13808 (fairness under biased"
            " labels)",
        ),
    )
    minimum_n: int = 20

    def __post_init__(self) -> None:
        require_least(
            self, minimum_n=1, hint="Leave it at 20: rates of smaller groups are mostly noise."
        )

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Only where a column is called sensitive."""
        return super().applies(model, data) or nothing_sensitive(data)

    def measure(self, artifacts: Artifacts) -> Records:
        """Note what was predicted."""
        return Records(artifacts.ids, predicted=artifacts[Predictions].predicted.numpy())

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Turn labels of each group until it is served like all others."""
        data, found = context.data, list[_Gap | Finding]()
        rates: list[Rate] = ["accuracy", "tpr", "fpr"] if len(data.classes) == 2 else ["accuracy"]
        for name in data.sensitive:
            codes, groups = groups_of(name, data)
            tables = cells_of(codes, records["predicted"], data, len(groups))
            for g in range(len(groups)) if len(groups) > 1 else ():
                cells, rest = tables[g], tables.sum(axis=0) - tables[g]
                where = f"{name}={groups[g]}"
                found += [self._gap(where, cells, rest, rate, context) for rate in rates]
        if not found:
            return NotApplicable("all inputs belong to one group of every sensitive column")
        gaps = [one for one in found if isinstance(one, _Gap)]
        findings = [
            finding
            for one in found
            for finding in (self._of(one, context) if isinstance(one, _Gap) else [one])
        ]
        worst = max(gaps, key=lambda one: (one.interval.low, one.value), default=None)
        evidence: dict[str, Evidence] = (
            {"gaps": _table(gaps), "needed": _bars(gaps)} if gaps else {}
        )
        headline = next(
            (one.id for one in findings if worst and one.slice == worst.where
             and one.params.get("rate") == worst.rate), None,
        )  # fmt: skip
        return Measured(findings=findings, evidence=evidence, headline=headline)

    def _gap(
        self, where: str, cells: Ints, rest: Ints, rate: Rate, context: Context
    ) -> _Gap | Finding:
        mine, others = cells.astype(np.float64), rest.astype(np.float64)
        (hits, total), (hits2, total2) = rate_of(mine, rate), rate_of(others, rate)
        if min(total, total2) < self.minimum_n:
            why = f"{int(total)} {_RATES[rate]} in the group and {int(total2)} outside (minimum_n)"
            return self.undefined(
                "wrong_labels", why, n=int(total), slice_name=where, swept=Params(rate=rate)
            )
        n, key = int(cells.sum()), context.key(PURPOSE, where)
        value = float(labels_needed(mine, hits2 / total2, rate).total) / n
        drawn = drawn_shares(cells, key=key), drawn_shares(rest, key=key + 1)
        theirs = np.divide(*rate_of(drawn[1], rate))
        interval = quantiles(
            labels_needed(drawn[0], theirs, rate).total, value, level=context.level
        )
        return _Gap(
            where=where,
            rate=rate,
            n=n,
            value=value,
            interval=interval,
            labels=value * n,
            until_doubt=_until_doubt(mine, others, rate, context.level),
            mine=float(hits / total),
            theirs=float(hits2 / total2),
        )

    def _of(self, one: _Gap, context: Context) -> list[Finding]:
        swept = Params(rate=one.rate)
        return [
            self.value(
                "wrong_labels", one.value, n=one.n, interval=one.interval, method="posterior",
                slice_name=one.where, swept=swept, evidence=["gaps", "needed"],
                level=context.level,
            ),
            self.value(
                "labels_to_doubt", one.until_doubt, n=one.n, interval=None, method="exact",
                slice_name=one.where, swept=swept, evidence=["gaps"], level=context.level,
            ),
        ]  # fmt: skip


class _Gap(NamedTuple):
    where: str
    rate: Rate
    n: int
    value: float
    interval: Interval
    labels: float
    until_doubt: int
    mine: float
    theirs: float


def cells_of(codes: Ints, predicted: Ints, data: Dataset, groups: int) -> Ints:
    """Return true positives, false negatives, false positives, true negatives per group (g, 4).

    With more than two classes right answers count as true negatives, wrong ones as false negatives.
    """
    right = predicted == data.labels
    positive = data.labels == 1 if len(data.classes) == 2 else ~right
    kind = np.where(positive, np.where(right, 0, 1), np.where(right, 3, 2))
    return np.bincount(codes * 4 + kind, minlength=4 * groups).reshape(groups, 4)


def _until_doubt(mine: Floats, others: Floats, rate: Rate, level: float) -> int:
    """Return how many labels to turn until the difference to all others may be luck."""
    hits2, total2 = (int(one) for one in rate_of(others, rate))
    needed = labels_needed(mine, np.array(hits2 / total2), rate)
    most = round(float(np.ceil(needed.total)))
    fn_first = rate == "accuracy" or hits2 / total2 >= 0.5
    available = int(mine[1] if fn_first else mine[2])
    for count in range(most + 1):
        first = min(count, available)
        fn, fp = (first, count - first) if fn_first else (count - first, first)
        hits, total = (int(one) for one in rate_of(turned(mine, fn, fp), rate))
        if total == 0:
            return count
        low, high = newcombe(hits2, total2, hits, total, level=level)
        if (high if rate == "fpr" else -low) >= 0:
            return count
    return most


def _table(gaps: list[_Gap]) -> Table:
    order = sorted(gaps, key=lambda one: (-one.value, one.where, one.rate))
    rows: list[list[Scalar]] = [
        [
            one.where, one.rate, one.mine, one.theirs, round(one.labels, 1), one.n, one.value,
            one.until_doubt,
        ]
        for one in order
    ]  # fmt: skip
    columns = ["group", "rate", "group's", "others'", "labels", "of", "share", "until luck"]
    return Table(
        title="Labels of each group that would have to be wrong",
        columns=columns,
        rows=rows,
        units={"share": ["group's", "others'", "share"]},
    )


def _bars(gaps: list[_Gap]) -> Bars:
    worse = sorted((one for one in gaps if one.value > 0), key=lambda one: -one.value)
    return Bars(
        title="Share of the group's labels that would explain its gap",
        value_label="share of the group's labels",
        bars=[
            Bar(
                label=f"{one.where.partition('=')[2]}, {one.rate}",
                value=one.value,
                low=one.interval.low,
                high=one.interval.high,
                n=one.n,
            )
            for one in worse[:20]
        ],
    )

"""What would the numbers be if the groups came in the proportions of the deployment?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, TypeAlias, final
from urllib.parse import unquote

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.bias.label_bias_sensitivity import cells_of
from auditkit.checks.groups import groups_of
from auditkit.data.columns import require_sensitive
from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError
from auditkit.findings import Evidence, Finding, Metric, Note, Table
from auditkit.methods.metrics.classification import log_probabilities
from auditkit.methods.metrics.individual import drawn_shares, quantiles
from auditkit.models.classifier import Classifier
from auditkit.statistics import (
    Interval,
    standard_errors,
    weighted_mean,
    weighted_share,
)
from auditkit.types import Bools, Floats, Ints, Scalar

PURPOSE = "what-if"
_SYNTAX = 'Write COLUMN=GROUP:SHARE,GROUP:SHARE, such as "sex=female:0.5,male:0.5".'
_Rate: TypeAlias = Literal["selection_rate", "tpr", "fpr", "ppv"]
# A rate's numerator and denominator over true positives, false negatives, false positives and true
# negatives.
_RATES: dict[_Rate, tuple[Ints, Ints]] = {
    "selection_rate": (np.array([1, 0, 1, 0]), np.array([1, 1, 1, 1])),
    "tpr": (np.array([1, 0, 0, 0]), np.array([1, 1, 0, 0])),
    "fpr": (np.array([0, 0, 1, 0]), np.array([0, 0, 1, 1])),
    "ppv": (np.array([1, 0, 0, 0]), np.array([1, 0, 1, 0])),
}


@final
@dataclass(frozen=True, kw_only=True)
class WhatIf(Check):
    """Accuracy, error rates and calibration with the groups re-weighted to known proportions.

    Parameters
    ----------
    deployment : tuple of str
        One line per column: "sex=female:0.5,male:0.5". Shares add up to 1; a group that is not
        named has none. Commas, colons and equals signs within a name are written %2C, %3A and %3D.

    Raises
    ------
    ConfigError
        If a line cannot be read, its shares do not add up to 1, or a name stands twice.
    """

    meta: ClassVar[Meta] = Meta(
        id=PURPOSE,
        family="bias",
        question="What would the numbers be if the groups came in the proportions of the"
        " deployment?",
        explanation="The inputs of every group are weighted so that the groups have the shares that"
        " were named (--deployment). The shares are taken to be known; the intervals say how"
        " surely each group's numbers are. Weighting costs inputs: the effective number says how"
        " many unweighted inputs would say as much.",
        not_shown="Anything that changes besides the shares: within a group, labels and inputs are"
        " taken to be as they are here. Proportions of several columns at once.",
        remedy="Where a number falls, collect inputs of the groups that the deployment has more of,"
        " and measure them; report the numbers for the deployment, not for the sample.",
        metrics={
            "accuracy": Metric(
                label="accuracy in the deployment",
                definition="Sum over the groups of share times accuracy of the group.",
                unit="share",
                better="higher",
            ),
            "overconfidence": Metric(
                label="overconfidence in the deployment",
                definition="Sum over the groups of share times mean confidence less accuracy of the"
                " group; negative is underconfident.",
                unit="share",
                better="neither",
            ),
            "selection_rate": Metric(
                label="selection rate in the deployment",
                definition="Weighted predictions of the positive class among all inputs; two"
                " classes.",
                unit="share",
                better="neither",
            ),
            "tpr": Metric(
                label="true positive rate in the deployment",
                definition="Weighted predictions of the positive class among inputs labelled"
                " positive; two classes.",
                unit="share",
                better="higher",
            ),
            "fpr": Metric(
                label="false positive rate in the deployment",
                definition="Weighted predictions of the positive class among inputs not labelled"
                " positive; two classes.",
                unit="share",
                better="lower",
            ),
            "ppv": Metric(
                label="positive predictive value in the deployment",
                definition="Weighted inputs labelled positive among predictions of the positive"
                " class; two classes.",
                unit="share",
                better="higher",
            ),
            "effective_n": Metric(
                label="effective number of inputs",
                definition="1 over the sum over the groups of share^2 / inputs of the group: so"
                " many inputs without weights say as much.",
                unit="inputs",
                better="higher",
            ),
        },
        headline=f"{PURPOSE}/accuracy/*",
        references=(
            "Kish, 1965, Survey Sampling, section 11.7 (effective number)",
            "Zou and Donner, 2008, Statistics in Medicine 27, 1693-1702",
        ),
    )
    deployment: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        columns = [column for column, _ in map(read_deployment, self.deployment)]
        for name in columns:
            if columns.count(name) > 1:
                raise ConfigError(
                    f"{PURPOSE}: the deployment names the column {name!r} twice.",
                    hint="Name the shares of all its groups in one line.",
                )

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Where proportions are named.

        Raises
        ------
        DataError
            If they are of a column that the data do not have.
        """
        if obstacle := super().applies(model, data):
            return obstacle
        if not self.deployment:
            return NotApplicable("no proportions are named (--deployment)")
        columns = [read_deployment(line)[0] for line in self.deployment]
        require_sensitive(columns, list(map(str, data.attributes.columns)), where=data.name)
        return None

    def measure(self, artifacts: Artifacts) -> Records:
        """Note what was predicted, and how surely."""
        clean = artifacts[Predictions]
        return Records(
            artifacts.ids,
            predicted=clean.predicted.numpy(),
            correct=clean.correct.numpy(),
            confidence=np.exp(log_probabilities(clean.logits.numpy()).max(axis=1)),
        )

    def summarise(self, records: Records, context: Context) -> Measured:
        """Weight the groups of every column that was named."""
        findings, evidence = list[Finding](), dict[str, Evidence]()
        for place, line in enumerate(self.deployment, 1):
            name, shares = read_deployment(line)
            one = _Scenario.of(name, shares, context.data)
            key = f"deployment-{place}"
            if one.absent:
                why = f"the data have no input of {', '.join(one.absent)}"
                findings += [
                    self.undefined(metric, why, n=int(one.counts.sum()), slice_name=name)
                    for metric in self._metrics(context.data)
                ]
            else:
                findings += self._weighted(one, records, context, key)
            evidence[key] = _table(one, records)
            if one.unnamed:
                evidence[f"{key}-unnamed"] = _unnamed(one)
        return Measured(findings=findings, evidence=evidence)

    def _metrics(self, data: Dataset) -> list[str]:
        binary = len(data.classes) == 2
        return [name for name in self.meta.metrics if binary or name not in _RATES]

    def _weighted(
        self, one: _Scenario, records: Records, context: Context, key: str
    ) -> list[Finding]:
        level, inside = context.level, one.codes >= 0
        codes, n = one.codes[inside], int(inside.sum())
        right = records["correct"][inside].astype(np.float64)
        hits = np.bincount(codes, right, minlength=len(one.groups)).round().astype(np.int64)
        used = one.shares > 0
        weights, counts = one.shares[used], one.counts[used]

        def finding(metric: str, value: float, interval: Interval | None, how: str) -> Finding:
            return self.value(
                metric, value, n=n, interval=interval, method=how, slice_name=one.name,
                evidence=[key], level=level,
            )  # fmt: skip

        accuracy = float(weights @ (hits[used] / counts))
        over = (records["confidence"][inside] - right + 1) / 2  # in [0, 1]
        means, errors = _moments(over, codes, one.counts)
        low, high = weighted_mean(means[used], errors[used], weights, level=level)
        found = [
            finding(
                "accuracy", accuracy, weighted_share(hits[used], counts, weights, level=level),
                "square-and-add",
            ),
            finding(
                "overconfidence", 2 * float(weights @ means[used]) - 1,
                Interval(2 * low - 1, 2 * high - 1), "square-and-add",
            ),
        ]  # fmt: skip
        if len(context.data.classes) == 2:
            data = context.data
            codes_of_all = np.where(inside, one.codes, len(one.groups))
            cells = cells_of(codes_of_all, records["predicted"], data, len(one.groups) + 1)
            found += self._rates(one, cells[: len(one.groups)], context, key, n)
        effective = float(1 / (weights**2 / counts).sum())
        return [*found, finding("effective_n", effective, None, "exact")]

    def _rates(
        self, one: _Scenario, cells: Ints, context: Context, key: str, n: int
    ) -> list[Finding]:
        """Return the rates of two classes, drawn group by group for their intervals."""
        used = np.flatnonzero(one.shares > 0)
        weights = one.shares[used]
        observed = weights @ (cells[used] / one.counts[used, None])  # (4,)
        seed = context.key(PURPOSE, one.name)
        drawn = np.zeros((4000, 4))
        for place, g in enumerate(used.tolist()):
            drawn += weights[place] * drawn_shares(cells[g], key=seed + place)
        found: list[Finding] = []
        for metric, (top, bottom) in _RATES.items():
            if observed @ bottom == 0:
                why = "no input belongs to its denominator"
                found.append(self.undefined(metric, why, n=n, slice_name=one.name))
                continue
            denominators = cells[used] @ bottom  # (g,)
            if denominators[denominators > 0].min() < context.data.min_cell:
                why = f"withheld: a group has fewer than {context.data.min_cell} in its denominator"
                found.append(self.undefined(metric, why, n=n, slice_name=one.name))
                continue
            value = float(observed @ top / (observed @ bottom))
            interval = quantiles(drawn @ top / (drawn @ bottom), value, level=context.level)
            found.append(
                self.value(
                    metric, value, n=n, interval=interval, method="posterior",
                    slice_name=one.name, evidence=[key], level=context.level,
                )
            )  # fmt: skip
        return found


def read_deployment(line: str) -> tuple[str, dict[str, float]]:
    """Return the column of a line and the share of each of its groups.

    Raises
    ------
    ConfigError
        If it cannot be read, or the shares do not add up to 1.

    Examples
    --------
    >>> read_deployment("sex=female:0.5,male:0.5")
    ('sex', {'female': 0.5, 'male': 0.5})
    """
    column, sign, rest = line.partition("=")
    shares: dict[str, float] = {}
    for part in rest.split(",") if sign and column.strip() else ():
        group, colon, number = part.rpartition(":")
        name = unquote(group.strip())
        try:
            share = float(number) if colon and name else float("nan")
        except ValueError:
            share = float("nan")
        if not 0 <= share <= 1:
            raise ConfigError(
                f"{PURPOSE}: {part.strip()!r} names no group and its share between 0 and 1.",
                hint=_SYNTAX,
            )
        if name in shares:
            raise ConfigError(f"{PURPOSE}: {line!r} names {name!r} twice.", hint=_SYNTAX)
        shares[name] = share
    if not shares:
        raise ConfigError(f"{PURPOSE}: {line!r} names no column and shares.", hint=_SYNTAX)
    total = sum(shares.values())
    if abs(total - 1) > 1e-3:
        raise ConfigError(
            f"{PURPOSE}: the shares in {line!r} add up to {total:g}, expected 1.",
            hint="Name every group that the deployment has.",
        )
    return unquote(column.strip()), {name: share / total for name, share in shares.items()}


class _Scenario(NamedTuple):
    """The groups of a column that were named, and their shares."""

    name: str
    groups: tuple[str, ...]
    shares: Floats  # (g,)
    codes: Ints  # (n,) into `groups`; -1 was not named
    counts: Ints  # (g,) inputs
    unnamed: Mapping[str, int]  # inputs of groups that were not named

    @classmethod
    def of(cls, name: str, shares: Mapping[str, float], data: Dataset) -> _Scenario:
        codes, groups = groups_of(name, data)
        place = {group: i for i, group in enumerate(shares)}
        into = np.array([place.get(group, -1) for group in groups])
        named = into[codes]
        sizes = np.bincount(codes, minlength=len(groups)).tolist()
        return cls(
            name=name,
            groups=tuple(shares),
            shares=np.array(list(shares.values())),
            codes=named,
            counts=np.bincount(named[named >= 0], minlength=len(shares)),
            unnamed={
                group: size
                for group, size in zip(groups, sizes, strict=True)
                if group not in shares
            },
        )

    @property
    def absent(self) -> list[str]:
        """Groups that the deployment has and the data do not."""
        gone: Bools = (self.counts == 0) & (self.shares > 0)
        return [self.groups[g] for g in np.flatnonzero(gone).tolist()]


def _moments(values: Floats, codes: Ints, counts: Ints) -> tuple[Floats, Floats]:
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.bincount(codes, values, minlength=len(counts)) / counts
        squares = np.bincount(codes, values**2, minlength=len(counts)) / counts
        return means, standard_errors(counts, means, squares)


def _table(one: _Scenario, records: Records) -> Table:
    n = int(one.counts.sum())
    rows: list[list[Scalar]] = []
    for g, group in enumerate(one.groups):
        right = records["correct"][one.codes == g]
        rows.append(
            [
                group, int(one.counts[g]), float(one.counts[g] / n) if n else None,
                float(one.shares[g]), float(right.mean()) if len(right) else None,
            ]
        )  # fmt: skip
    return Table(
        title=f"The groups of {one.name} here and in the deployment",
        columns=["group", "n", "share here", "share in the deployment", "accuracy"],
        rows=rows,
        units={"share": ["share here", "share in the deployment", "accuracy"]},
    )


def _unnamed(one: _Scenario) -> Note:
    named = ", ".join(f"{group} ({count})" for group, count in one.unnamed.items())
    return Note(
        title=f"Groups of {one.name} that the deployment does not have",
        text=f"Their inputs count for nothing: {named}.",
    )

"""Does the model know the sensitive attribute, whether or not it was told?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.features import Features
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.groups import groups_of, nothing_sensitive
from auditkit.checks.halves import searched_half, searched_on, too_few
from auditkit.checks.parameters import require_least
from auditkit.data.dataset import Dataset
from auditkit.findings import Bar, Bars, Evidence, Finding, Metric, Note, Table
from auditkit.methods.metrics.auc import auc, auc_interval, auc_within
from auditkit.models.classifier import Classifier
from auditkit.plurals import count
from auditkit.randomness import generator
from auditkit.statistics import Interval
from auditkit.types import Bools, Floats, Ints, Params, Scalar

PURPOSE = "proxy"
_LEARNT_ON = 2000  # inputs at most
_WORDS = {"features": "its inner features", "scores": "its scores"}


@final
@dataclass(frozen=True, kw_only=True)
class Proxy(Check):
    """How well a linear reader tells groups from what the model computes.

    Parameters
    ----------
    minimum_n : int
        Fewest inputs of a group, and of all others, in either half, at least 2.

    Raises
    ------
    ConfigError
        If `minimum_n` is below 2.
    """

    meta: ClassVar[Meta] = Meta(
        id=PURPOSE,
        family="bias",
        question="Does the model know the sensitive attribute, whether or not it was told?",
        explanation=(
            "On one half of the inputs a logistic regression learns to tell each group of a"
            " sensitive column from all others, once from the model's scores and once from what its"
            " last layer reads. On the other half it is asked: how often does a member get a"
            " higher value than a non-member? A half is chance. Beside it stands the same for the"
            " column shuffled, which must be chance, and the same among inputs of equal label,"
            " which takes out what the labels already say about the groups."
        ),
        not_shown=(
            "That the attribute is used: what can be read need not matter to the answer, see"
            " `individual` and `group-gap`. What a reader that is not linear would find. That"
            " nothing can be read where the area is near a half: few inputs teach little."
        ),
        remedy=(
            "Find the columns or regions that give the attribute away and ask whether each is"
            " needed; then measure the gaps between groups again. Removing the column alone does"
            " not help where others stand in for it."
        ),
        metrics={
            "worst_auc": Metric(
                label="group that is told best",
                definition=(
                    "Largest area under the curve over all groups, read from scores or features, on"
                    " the half that was not learnt from. The interval allows for having picked the"
                    " largest."
                ),
                unit="area",
                better="lower",
            ),
            "auc": Metric(
                label="area under the curve",
                definition=(
                    "Share of pairs of a member and a non-member of the group in which the member"
                    " gets the higher value, on the half that was not learnt from. Half is chance."
                ),
                unit="area",
                better="lower",
            ),
            "auc_given_label": Metric(
                label="area under the curve, labels being equal",
                definition="The same over pairs with the same label.",
                unit="area",
                better="lower",
            ),
            "control_auc": Metric(
                label="area for a shuffled column",
                definition=(
                    "The same with the column shuffled before learning and asking. Its interval"
                    " should hold a half nearly always; if not, the two halves share inputs."
                ),
                unit="area",
                better="neither",
            ),
        },
        headline=f"{PURPOSE}/worst_auc/all",
        references=(
            "Alain and Bengio, 2017, arXiv:1610.01644 (linear readers)",
            "Newcombe, 2006, Statistics in Medicine 25, 559-573",
        ),
    )
    minimum_n: int = 20

    def __post_init__(self) -> None:
        require_least(
            self, minimum_n=2, hint="Leave it at 20: less teaches and shows next to nothing."
        )

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Only where a column is called sensitive."""
        return super().applies(model, data) or too_few(data) or nothing_sensitive(data)

    # --- one shard -------------------------------------------------------------------------------

    def measure(self, artifacts: Artifacts) -> Records:
        """Read every group from the shard's scores and features."""
        learnt = artifacts.once((PURPOSE, self), lambda: self._learnt(artifacts))
        half = artifacts.once((PURPOSE, "half"), lambda: searched_half(artifacts, PURPOSE))
        columns: dict[str, Any] = {}
        for source, values in _sources(artifacts).items():
            for reader in learnt.readers:
                if reader.source == source:
                    columns[reader.name] = reader.read(values)
        for name, codes in learnt.shuffled.items():
            columns[f"shuffled/{name}"] = codes[artifacts.positions]
        return Records(
            artifacts.ids,
            searched=half[artifacts.positions],
            layer=np.full(len(artifacts), artifacts[Features].words),
            **columns,
        )

    def _least(self, data: Dataset) -> int:
        """Return the fewest members, and others, of either half."""
        return max(self.minimum_n, data.min_cell)

    def _learnt(self, artifacts: Artifacts) -> _Learnt:
        """Return readers of all groups, and of the shuffled ones, taught on the searched half."""
        rows, data = searched_on(artifacts, PURPOSE, _LEARNT_ON), artifacts.data
        sources = _sources(artifacts.at(rows))
        readers: list[_Reader] = []
        shuffled: dict[str, Ints] = {}
        half = searched_half(artifacts, PURPOSE)
        for name in data.sensitive:
            codes, groups = groups_of(name, data)
            rng = generator(artifacts.key(PURPOSE, "shuffle", name))
            shuffled[name] = rng.permutation(codes)
            for g in _asked(groups):
                if _why_not(codes == g, half, self._least(data)):
                    continue
                for kind, mine in (("group", codes[rows]), ("control", shuffled[name][rows])):
                    for source, values in sources.items():
                        if 0 < np.count_nonzero(mine == g) < len(mine):
                            where = f"{kind}/{source}/{name}={groups[g]}"
                            readers.append(_Reader.taught(where, source, values, mine == g))
        return _Learnt(readers, shuffled)

    # --- all shards ------------------------------------------------------------------------------

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Measure how well each group is told on the other half."""
        told: list[_Told] = []
        findings: list[Finding] = []
        for name in context.data.sensitive:
            codes, groups = groups_of(name, context.data)
            for g in _asked(groups):
                where = f"{name}={groups[g]}"
                shuffled = records[f"shuffled/{name}"] == g
                found = list(_told(where, codes == g, shuffled, records, context))
                told += found
                if not found:
                    least = self._least(context.data)
                    why = _why_not(codes == g, records["searched"], least)
                    why = why or "the inputs that taught hold no member"
                    if context.data.min_cell:  # how few there are in a half is a small cell itself
                        why = "a half has too few members or others (minimum_n, --min-cell)"
                    n = int(np.count_nonzero(codes == g))
                    findings.append(self.undefined("auc", why, n=n, slice_name=where))
        if len(told) == 0 and len(findings) == 0:
            return NotApplicable("all inputs belong to one group of every sensitive column")
        of_groups = [one for each in told for one in self._of(each, context)]
        return Measured(
            findings=[self._worst(told, records, context), *of_groups, *findings],
            evidence=_evidence(told, records, context),
        )

    def _worst(self, told: Sequence[_Told], records: Records, context: Context) -> Finding:
        n = int(np.count_nonzero(~records["searched"]))
        if not told:
            return self.undefined("worst_auc", "every group is too small (minimum_n)", n=n)
        strict = 1 - (1 - context.level) / len(told)
        low = max(one.interval(strict).low for one in told)
        high = max(one.interval(context.level).high for one in told)
        worst = max(told, key=lambda one: one.auc)
        return self.value(
            "worst_auc", worst.auc, n=n, interval=Interval(low, high), method="simultaneous",
            evidence=["table"], level=context.level,
        )  # fmt: skip

    def _of(self, one: _Told, context: Context) -> list[Finding]:
        level, swept = context.level, Params(source=one.source)
        given = (
            self.value(
                "auc_given_label", one.given_label, n=one.n, interval=one.given_interval,
                method="newcombe-strata", slice_name=one.where, swept=swept, evidence=["table"],
                level=level,
            )
            if np.isfinite(one.given_label)
            else self.undefined(
                "auc_given_label", "no label has members and others", n=one.n,
                slice_name=one.where, swept=swept,
            )
        )  # fmt: skip
        return [
            self.value(
                metric, value, n=one.n, interval=auc_interval(value, *sizes, level=level),
                method="newcombe-auc", slice_name=one.where, swept=swept,
                evidence=[one.source, "table"], level=level,
            )
            for metric, value, sizes in (
                ("auc", one.auc, (one.members, one.n - one.members)),
                ("control_auc", one.control, (one.shuffled, one.n - one.shuffled)),
            )
        ] + [given]  # fmt: skip


class _Reader(NamedTuple):
    """A linear function of what the model computes."""

    name: str
    source: str
    mean: Floats  # (d,)
    weight: Floats  # (d,) per unit of each number

    @classmethod
    def taught(cls, name: str, source: str, values: Floats, positive: Bools) -> _Reader:
        """Return what tells positive inputs from the others, by values (n, d)."""
        from sklearn.linear_model import LogisticRegression  # heavy: only where readers are taught

        mean, scale = values.mean(axis=0), values.std(axis=0)
        scale[scale == 0] = 1.0
        fitted = LogisticRegression(max_iter=5000).fit((values - mean) / scale, positive)
        return cls(name, source, mean, fitted.coef_[0] / scale)

    def read(self, values: Floats) -> Floats:
        """Return a number per input (n,), higher for likelier members."""
        return (values - self.mean) @ self.weight


class _Learnt(NamedTuple):
    readers: list[_Reader]
    shuffled: dict[str, Ints]  # groups (n,) of each column, shuffled over all inputs


class _Told(NamedTuple):
    """How well one group is told from one source."""

    where: str
    source: str
    auc: float
    control: float
    given_label: float
    given_interval: Interval
    members: int
    shuffled: int  # as many after shuffling
    n: int

    def interval(self, level: float) -> Interval:
        return auc_interval(self.auc, self.members, self.n - self.members, level=level)


def _sources(artifacts: Artifacts) -> dict[str, Floats]:
    """Return what can be read from: scores, and features where they are something else."""
    logits = artifacts[Predictions].logits.numpy().astype(np.float64)
    features = artifacts[Features]
    found = {"scores": logits - logits.mean(axis=1, keepdims=True)}
    return found if features.of_logits else {**found, "features": features.values}


def _asked(groups: Sequence[str]) -> range:
    """Return the groups to tell: all, but of two groups one, and of one none."""
    return range(len(groups)) if len(groups) > 2 else range(1, len(groups))


def _why_not(member: Bools, half: Bools, least: int) -> str | None:
    """Return why a group cannot be told."""
    for part, words in ((half, "is learnt from"), (~half, "is asked")):
        counts = int((member & part).sum()), int((~member & part).sum())
        if min(counts) < least:
            return (
                f"the half that {words} has {count(counts[0], 'member')} and"
                f" {count(counts[1], 'other')} (minimum_n)"
            )
    return None


def _told(
    where: str, member: Bools, shuffled: Bools, records: Records, context: Context
) -> Iterator[_Told]:
    other = ~records["searched"]
    for source in _WORDS:
        names = [f"{kind}/{source}/{where}" for kind in ("group", "control")]
        if any(name not in records.columns for name in names):
            continue
        values, control = (records[name][other] for name in names)
        mine, theirs = member[other], shuffled[other]
        given, interval = auc_within(values, mine, context.data.labels[other], level=context.level)
        yield _Told(
            where=where,
            source=source,
            auc=auc(values, mine),
            control=auc(control, theirs),
            given_label=given,
            given_interval=interval,
            members=int(np.count_nonzero(mine)),
            shuffled=int(np.count_nonzero(theirs)),
            n=len(mine),
        )


def _evidence(told: Sequence[_Told], records: Records, context: Context) -> dict[str, Evidence]:
    rows: list[list[Scalar]] = []
    bars: dict[str, list[Bar]] = {source: [] for source in _WORDS}
    for one in sorted(told, key=lambda one: (-one.auc, one.where, one.source)):
        low, high = one.interval(context.level)
        given = one.given_label if np.isfinite(one.given_label) else None
        rows.append([one.where, one.source, one.auc, low, high, given, one.control, one.members])
        label = one.where.partition("=")[2]  # short, so that a chart has room for it
        bars[one.source].append(Bar(label=label, value=one.auc, low=low, high=high, n=one.members))
    columns = ["group", "source", "area", "low", "high", "labels equal", "shuffled", "members"]
    text = (
        f"Scores are the logits less their mean. Features are {records['layer'][0]}. Half of the"
        f" inputs, at most {_LEARNT_ON}, taught the readers;"
        f" {np.count_nonzero(~records['searched'])} others were asked."
    )
    return {
        "table": Table(title="How well groups are told, best first", columns=columns, rows=rows),
        "read": Note(title="What is read", text=text),
        **{
            source: Bars(
                title=f"Area under the curve, read from {words}; a half is chance",
                value_label="area",
                bars=bars[source],
            )
            for source, words in _WORDS.items()
            if bars[source]
        },
    }

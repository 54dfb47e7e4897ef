"""What `drift` says of one deployment sample: findings, and the evidence behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias, final

import numpy as np

from auditkit.checks.base import Context
from auditkit.checks.beside import Beside
from auditkit.checks.shift._two_samples import (
    SMALLEST,
    TESTS,
    Comparison,
    Known,
    Standardised,
    compared,
    ks_interval,
    random_parts,
    standardised,
    together,
)
from auditkit.checks.shifted import slice_of
from auditkit.findings import Bar, Bars, Curve, Evidence, Finding, Note, Series, Table
from auditkit.methods.drift.label_shift import LabelShift, answers_p, confusion, label_shift
from auditkit.randomness import generator
from auditkit.statistics import Interval, clopper_pearson, holm_adjusted
from auditkit.types import Ints, Params, Scalar

if TYPE_CHECKING:
    from auditkit.checks.shift.drift import Drift

Test: TypeAlias = tuple[str, str]  # what is looked at, and how
SPACES = {"inputs": "the inputs", "features": "the model's features"}
ANSWERS: Test = ("answers", "chi-square")
_ROWS = 10  # of a table
_WORDS = {
    "mmd": "maximum mean discrepancy",
    "ks": "Kolmogorov-Smirnov",
    "classifier": "classifier",
    "chi-square": "chi-square",
}


@final
class Report:
    """One sample beside the audited data."""

    def __init__(
        self,
        check: Drift,
        context: Context,
        reference: Beside,
        name: str,
        sample: Beside,
        names: Sequence[str],
        *,
        prefix: str,
    ) -> None:
        self.check, self.context, self.name, self.prefix = check, context, name, prefix
        self.reference, self.sample, self.names = reference, sample, names
        self.n, self.m = len(reference), len(sample)
        self.size = min(self.m, self.n // 2)  # of the second part of a random split
        self.evidence: dict[str, Evidence] = {
            prefix: Note(title=f"Deployment data: {name}", text=" ".join(sample.notes))
        }

    def findings(self) -> list[Finding]:
        """Return every finding, that of all tests together first."""
        if min(self.n, self.m) < SMALLEST:
            why = f"{self.n} audited inputs and {self.m} others are too few to compare"
            return [self._undefined("p_value", why)]
        found = self._of_comparisons() + self._of_classes()
        return [
            self._p(together(self.p_values.values()), {}, self._tests_table()),
            *(self._p(p, _swept(test)) for test, p in self.p_values.items()),
            *found,
            *self._of_known(),
        ]

    # --- the comparison ---------------------------------------------------------------------

    @cached_property
    def points(self) -> dict[str, Standardised]:
        """The samples in what they are compared by, without what is constant."""
        pairs = {space: (self.reference[space], self.sample[space]) for space in SPACES}
        both = {space: standardised(*pair) for space, pair in pairs.items()}
        return {space: one for space, one in both.items() if len(one.kept)}

    @cached_property
    def comparisons(self) -> dict[str, Comparison]:
        """What the tests say, by what they look at."""
        return {
            space: compared(
                one.first,
                one.second,
                permutations=self.check.permutations,
                rng=self._rng("compare", space),
                level=self.context.level,
            )
            for space, one in self.points.items()
        }

    @cached_property
    def p_values(self) -> dict[Test, float]:
        """Of every test that could be made."""
        found: dict[Test, float] = {
            (space, test): p
            for space, one in self.comparisons.items()
            for test, p in one.p_values.items()
        }
        counts = [self._answers(one["predicted"]) for one in (self.reference, self.sample)]
        found[ANSWERS] = answers_p(
            counts[0],
            counts[1],
            permutations=self.check.permutations,
            rng=self._rng("compare", "answers"),
        )
        return found

    def _of_comparisons(self) -> list[Finding]:
        found: list[Finding] = []
        for space, words in SPACES.items():
            if space not in self.comparisons:
                why = f"every number of {words} is the same in both samples"
                found += [self._undefined(one, why, space) for one in ("mmd2", "largest_distance")]
                continue
            one, level = self.comparisons[space], self.context.level
            key = self._columns_table(space, one)
            swept: Params = {"on": space}
            found += [
                self.check.value(
                    "mmd2", one.mmd.value, n=self.m, interval=one.mmd.interval, level=level,
                    method="first-order", slice_name=self._slice, swept=swept,
                ),
                self.check.value(
                    "largest_distance", float(one.ks.distances.max()), n=self.m, level=level,
                    interval=ks_interval(one.ks, self.n, self.m, level=level),
                    method="dvoretzky-kiefer-wolfowitz", slice_name=self._slice, swept=swept,
                    evidence=[key],
                ),
                self._told_apart(one, swept),
            ]  # fmt: skip
        return found

    def _told_apart(self, one: Comparison, swept: Params) -> Finding:
        taught = one.classifier
        if taught is None:
            why = f"{min(self.n, self.m)} inputs are too few to teach a classifier and try it"
            return self._undefined("told_apart", why, str(swept["on"]))
        return self.check.share(
            "told_apart", taught.right, n=taught.n, slice_name=self._slice, swept=swept,
            level=self.context.level,
        )  # fmt: skip

    def _of_classes(self) -> list[Finding]:
        k = len(self.context.data.classes)
        found = label_shift(
            confusion(self.reference["predicted"], self.reference["labels"], classes=k),
            self._answers(self.sample["predicted"]),
            rng=self._rng("classes"),
            level=self.context.level,
        )
        if found is None:
            why = "the model's answers do not tell every class apart on the audited data"
            return [self._undefined("class_share_change", why)]
        most = int(np.abs(found.changes).argmax())
        return [
            self.check.value(
                "class_share_change",
                float(found.changes[most]),
                n=self.m,
                interval=_interval(found, most),
                method="bootstrap-bonferroni",
                slice_name=self._slice,
                evidence=[self._class_bars(found)],
                level=self.context.level,
            )
        ]

    # --- where the truth is known -----------------------------------------------------------

    def _of_known(self) -> list[Finding]:
        if self.size < SMALLEST:
            why = f"{self.n} audited inputs are too few to be parted in two"
            return [self._undefined("false_alarm_rate", why), self._undefined("power", why)]
        alarms = self._false_alarms()
        curves, powers = self._powers()
        key = self._alarm_bars(alarms)
        level, splits = self.context.level, self.check.splits
        found = [
            self.check.share(
                "false_alarm_rate", count, n=splits, slice_name=self._slice,
                swept={} if test is None else _swept(test), evidence=[key], level=level,
            )
            for test, count in alarms.items()
        ]  # fmt: skip
        return found + [
            self.check.share(
                "power", count, n=self.check.repetitions, slice_name=self._slice,
                swept={"size": size}, evidence=curves, level=level,
            )
            for size, count in powers.items()
        ]  # fmt: skip

    def _known(self) -> dict[str, Known]:
        return {
            space: Known(one.first, self.size, permutations=self.check.permutations)
            for space, one in self._own_points().items()
        }

    def _own_points(self) -> dict[str, Standardised]:
        """Return the audited data alone, standardised by their own spread."""
        nothing = {space: self.reference[space][:0] for space in SPACES}
        own = {space: standardised(self.reference[space], nothing[space]) for space in SPACES}
        return {space: one for space, one in own.items() if len(one.kept)}

    def _false_alarms(self) -> dict[Test | None, int]:
        """Return at how many splits each test alarms, and at how many they do together (None)."""
        rng, known = self._rng("splits"), self._known()
        predicted = self.reference["predicted"]
        counts: dict[Test | None, int] = {None: 0}
        for parts in random_parts(self.n, self.size, self.check.splits, rng):
            found: dict[Test, float] = {
                (space, test): p
                for space, one in known.items()
                for test, p in one.alike(parts, rng).items()
            }
            halves = (self._answers(predicted[parts]), self._answers(predicted[~parts]))
            found[ANSWERS] = answers_p(*halves, permutations=self.check.permutations, rng=rng)
            for test, p in found.items():
                counts[test] = counts.get(test, 0) + (p <= self.check.alpha)
            counts[None] += together(found.values()) <= self.check.alpha
        return counts

    def _powers(self) -> tuple[list[str], dict[float, int]]:
        """Return the keys of the curves, and the alarms of all tests together for each size."""
        sizes, times = sorted(self.check.sizes), self.check.repetitions
        rng, known = self._rng("power"), self._known()
        hits: dict[Test, dict[float, int]] = {}
        whole: dict[float, int] = {}
        for size in sizes:
            whole[size] = 0
            for parts in random_parts(self.n, self.size, times, rng):
                found: dict[Test, float] = {
                    (space, test): p
                    for space, one in known.items()
                    for test, p in one.moved(parts, size, rng).items()
                }
                for test, p in found.items():
                    of_test = hits.setdefault(test, dict.fromkeys(sizes, 0))
                    of_test[size] += p <= self.check.alpha
                whole[size] += bool(found) and together(found.values()) <= self.check.alpha
        return self._power_curves(hits), whole

    # --- evidence ---------------------------------------------------------------------------

    def _tests_table(self) -> list[str]:
        key = f"{self.prefix}-tests"
        rows = [
            [SPACES.get(space, "the model's answers"), _WORDS[test], p]
            for (space, test), p in self.p_values.items()
        ]
        self.evidence[key] = Table(
            title=f"{self.name}: {self.m} inputs beside {self.n} audited ones",
            columns=["looked at", "test", "p"],
            rows=[list(row) for row in rows],
        )
        return [self.prefix, key]

    def _columns_table(self, space: str, one: Comparison) -> str:
        key = f"{self.prefix}-{space}"
        order = np.argsort(-one.ks.distances, kind="stable")[:_ROWS]
        adjusted = holm_adjusted(one.ks.p_values.tolist())
        kept: list[int] = self.points[space].kept.tolist()
        rows: list[list[Scalar]] = []
        for j in order.tolist():
            named: str = self.names[kept[int(j)]] if space == "inputs" else f"number {kept[j] + 1}"
            rows.append([named, float(one.ks.distances[j]), float(adjusted[j])])
        self.evidence[key] = Table(
            title=f"{self.name}: what moved most among {len(kept)} numbers of {SPACES[space]}",
            columns=["number", "distance", "p, adjusted (Holm)"],
            rows=rows,
        )
        return key

    def _class_bars(self, found: LabelShift) -> str:
        key = f"{self.prefix}-classes"
        order = np.argsort(-np.abs(found.changes), kind="stable")[: 3 * _ROWS]
        classes = self.context.data.classes
        self.evidence[key] = Bars(
            title=f"{self.name}: estimated change of each class's share",
            value_label="share there minus share here",
            bars=[
                Bar(
                    label=classes[j],
                    value=float(found.changes[j]),
                    low=float(found.low[j]),
                    high=float(found.high[j]),
                    n=self.m,
                )
                for j in sorted(order.tolist())
            ],
        )
        return key

    def _alarm_bars(self, counts: Mapping[Test | None, int]) -> str:
        key = f"{self.prefix}-false-alarms"
        n = self.check.splits
        limits = {test: clopper_pearson(count, n) for test, count in counts.items()}
        self.evidence[key] = Bars(
            title=f"False alarms at p up to {self.check.alpha:g}: random parts of"
            f" {self.n - self.size} and {self.size} audited inputs",
            value_label="share of splits with an alarm",
            bars=[
                Bar(
                    label="all together" if test is None else f"{test[0]}: {_WORDS[test[1]]}",
                    value=count / n,
                    low=limits[test].low,
                    high=limits[test].high,
                    n=n,
                )
                for test, count in counts.items()
            ],
        )
        return key

    def _power_curves(self, hits: Mapping[Test, Mapping[float, int]]) -> list[str]:
        keys: list[str] = []
        for space, words in SPACES.items():
            lines = [
                _series(_WORDS[test], hits[space, test], self.check.repetitions)
                for test in TESTS
                if (space, test) in hits
            ]
            if lines:
                keys.append(f"{self.prefix}-power-{space}")
                self.evidence[keys[-1]] = Curve(
                    title=f"Power on {words}: parts of {self.n - self.size} and {self.size} audited"
                    " inputs, one of them moved",
                    x_label="every number moved by so many of its spreads",
                    y_label="share of alarms",
                    series=lines,
                )
        return keys

    # --- small things -----------------------------------------------------------------------

    @property
    def _slice(self) -> str:
        return slice_of(self.name)

    def _rng(self, *purpose: str) -> np.random.Generator:
        return generator(self.context.key("drift", *purpose))

    def _answers(self, predicted: Ints) -> Ints:
        return np.bincount(predicted, minlength=len(self.context.data.classes))

    def _p(self, p: float, swept: Params, evidence: Sequence[str] = ()) -> Finding:
        return self.check.value(
            "p_value", p, n=self.m, interval=None, method="exact", slice_name=self._slice,
            swept=swept, evidence=evidence, level=self.context.level,
        )  # fmt: skip

    def _undefined(self, metric: str, why: str, space: str | None = None) -> Finding:
        swept: Params = {} if space is None else {"on": space}
        return self.check.undefined(metric, why, n=self.m, slice_name=self._slice, swept=swept)


def _swept(test: Test) -> Params:
    return {"on": test[0], "test": test[1]}


def _interval(found: LabelShift, j: int) -> Interval:
    return Interval(float(found.low[j]), float(found.high[j]))


def _series(name: str, hits: Mapping[float, int], n: int) -> Series:
    limits = [clopper_pearson(count, n) for count in hits.values()]
    return Series(
        name=name,
        x=list(hits),
        y=[count / n for count in hits.values()],
        low=[one.low for one in limits],
        high=[one.high for one in limits],
    )

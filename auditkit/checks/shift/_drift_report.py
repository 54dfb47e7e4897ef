"""What `drift` says of one deployment sample: findings, and the evidence behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, final

import numpy as np

from auditkit.checks.base import Context
from auditkit.checks.beside import Beside
from auditkit.checks.shift._drift_trials import ANSWERS, Power, Test, Trials
from auditkit.checks.shift._two_samples import (
    SMALLEST,
    Comparison,
    Standardised,
    compared,
    ks_interval,
    standardised,
    together,
)
from auditkit.checks.shifted import slice_of
from auditkit.findings import Bar, Bars, Curve, Evidence, Finding, Note, Series, Table
from auditkit.methods.drift.label_shift import LabelShift, answers_p, confusion, label_shift
from auditkit.plurals import count
from auditkit.randomness import generator
from auditkit.statistics import Interval, clopper_pearson, holm_adjusted
from auditkit.types import Ints, Params, Scalar

if TYPE_CHECKING:
    from auditkit.checks.shift.drift import Drift

SPACES = {"inputs": "the inputs", "features": "the model's features"}
_ROWS = 10  # of a table
_SHORT = {"mmd": "MMD", "ks": "KS", "classifier": "classifier", "chi-square": "chi-square"}
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
        trials: dict[int, Trials],
        *,
        prefix: str,
    ) -> None:
        self.trials = trials
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
            why = (
                f"{count(self.n, 'audited input')} and {count(self.m, 'other')}: too few to compare"
            )
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
            few = count(min(self.n, self.m), "input")
            why = f"{few}: too few to teach a classifier and try it"
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
            why = f"{count(self.n, 'audited input')}: too few to be parted in two"
            return [self._undefined("false_alarm_rate", why), self._undefined("power", why)]
        alarms = self._trials.alarms
        key = self._alarm_bars(alarms)
        level, splits = self.context.level, self.check.splits
        found = [
            self.check.share(
                "false_alarm_rate", count, n=splits, slice_name=self._slice,
                swept={} if test is None else _swept(test), evidence=[key], level=level,
            )
            for test, count in alarms.items()
        ]  # fmt: skip
        return found + self._powers()

    @cached_property
    def _trials(self) -> Trials:
        if self.size not in self.trials:
            self.trials[self.size] = Trials.run(
                self.check, self.context, self.reference, tuple(SPACES), self.size
            )
        return self.trials[self.size]

    def _powers(self) -> list[Finding]:
        """Return how often the tests on one thing alarm together, and draw what each does."""
        found: list[Finding] = []
        for space, one in self._trials.powers.items():
            key = self._power_curve(space, one)
            found += [
                self.check.share(
                    "power", alarms, n=self.check.repetitions, slice_name=self._slice,
                    swept={"on": space, "size": size}, evidence=[key], level=self.context.level,
                )
                for size, alarms in zip(one.sizes, one.together, strict=True)
            ]  # fmt: skip
        return found

    # --- evidence ---------------------------------------------------------------------------

    def _tests_table(self) -> list[str]:
        key = f"{self.prefix}-tests"
        rows = [
            [SPACES.get(space, "the model's answers"), _WORDS[test], p]
            for (space, test), p in self.p_values.items()
        ]
        self.evidence[key] = Table(
            title=f"{self.name}: {count(self.m, 'input')} beside {self.n:,} audited",
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
                    label="all together" if test is None else f"{test[0]}: {_SHORT[test[1]]}",
                    value=count / n,
                    low=limits[test].low,
                    high=limits[test].high,
                    n=n,
                )
                for test, count in counts.items()
            ],
        )
        return key

    def _power_curve(self, space: str, one: Power) -> str:
        key = f"{self.prefix}-power-{space}"
        self.evidence[key] = Curve(
            title=f"Power on {SPACES[space]}: parts of {self.n - self.size} and {self.size} audited"
            " inputs that differ",
            x_label="difference of their means, in spreads",
            y_label="share of alarms",
            series=[
                _series(_WORDS[test], one.apart, counts, self.check.repetitions)
                for test, counts in one.alarms.items()
            ],
        )
        return key

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


def _series(name: str, x: list[float], counts: list[int], n: int) -> Series:
    limits = [clopper_pearson(count, n) for count in counts]
    return Series(
        name=name,
        x=x,
        y=[count / n for count in counts],
        low=[one.low for one in limits],
        high=[one.high for one in limits],
    )

"""Do conformal sets hold the truth as often as they promise, in every class, slice and change?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, Records
from auditkit.checks.calibration._changed import (
    Change,
    changed_logits,
    changes_for,
    require_changes,
)
from auditkit.checks.calibration._sets import (
    METHODS,
    Rule,
    calibration_half,
    made_sets,
    probabilities,
    quantiles,
)
from auditkit.checks.calibration._slices import slices_of, too_small
from auditkit.checks.parameters import require_choice, require_least
from auditkit.errors import ConfigError, near_miss
from auditkit.findings import Bar, Bars, Curve, Evidence, Finding, Metric, Note, Series, Table
from auditkit.methods.metrics.conformal import coverage_band, fewest_for, too_low_p
from auditkit.percent import percent, percent_range, plain_percent
from auditkit.statistics import Interval, benjamini_hochberg, bounded_mean, clopper_pearson
from auditkit.types import Bools, Ints, Modality, Params, Scalar

_NAMED = 6  # parts in one sentence


@final
@dataclass(frozen=True, kw_only=True)
class Conformal(Check):
    """Coverage and size of split conformal sets: calibrated on one half, tested on the other.

    Parameters
    ----------
    alphas : tuple of float
        Shares of sets that may miss the truth.
    methods : tuple of str
        lac (least ambiguous sets) and aps (adaptive prediction sets, randomised by input).
    kinds : tuple of str
        Corruptions that images of the test half are looked at under; none is allowed. Texts are
        mistyped.
    severities : tuple of int
        Of the corruptions or typos, from 1 to 5; none is allowed.
    minimum_n : int
        A class or slice with fewer test inputs is undefined.

    Raises
    ------
    ConfigError
        If a parameter is outside its range, unknown or named twice.

    References
    ----------
    Vovk et al., 2005, Algorithmic Learning in a Random World; Sadinle et al., 2019, JASA 114,
    223-234; Romano et al., 2020, arXiv:2006.02544; Angelopoulos and Bates, 2021, arXiv:2107.07511.
    """

    meta: ClassVar[Meta] = Meta(
        id="conformal",
        family="calibration",
        version=2,
        question="Do conformal sets hold the truth as often as they promise, in every class, slice"
        " and change?",
        explanation=(
            "One half of the inputs, drawn at random, says how unlikely a class may be and still"
            " belong to the set; on the other half it is counted how often the set holds the truth,"
            " and how many classes it holds. On inputs like those it was calibrated on that share"
            " is promised; in a class, in a slice and on changed inputs it is not, so it is"
            " measured. Beside each coverage stands the band that a valid procedure would show at"
            " this many inputs."
        ),
        not_shown=(
            "Coverage of a single input: the promise is an average. Other ways to make sets, such"
            " as calibration class by class. Other changes of the data."
        ),
        remedy=(
            "Where a class or slice is covered less, calibrate it by itself (Mondrian sets). Under"
            " a shift, calibrate on inputs like those of the deployment. Large sets mean that the"
            " probabilities say little: improve the model."
        ),
        metrics={
            "coverage": Metric(
                label="coverage",
                definition="Share of the test half's inputs whose set holds the true class; an"
                " empty set does not.",
                unit="share",
                better="higher",
            ),
            "coverage_p": Metric(
                label="p-value of a coverage as promised",
                definition="Probability that a valid procedure covers at most as many of the test"
                " half's inputs: beta-binomial, as both halves are drawn at random.",
                unit="p",
                better="neither",
            ),
            "set_size": Metric(
                label="mean set size",
                definition="Mean number of classes in the set, over the test half's inputs.",
                unit="classes",
                better="lower",
            ),
            "empty_share": Metric(
                label="empty sets",
                definition="Share of the test half's inputs whose set holds no class. A model that"
                " is right more often than promised has some: choose a smaller alpha.",
                unit="share",
                better="lower",
            ),
        },
        headline="conformal/coverage/all/*",
        references=(
            "Vovk et al., 2005, Algorithmic Learning in a Random World",
            "Sadinle et al., 2019, Journal of the American Statistical Association 114, 223-234",
            "Romano et al., 2020, arXiv:2006.02544",
            "Angelopoulos and Bates, 2021, arXiv:2107.07511",
        ),
    )
    alphas: tuple[float, ...] = (0.1,)
    methods: tuple[str, ...] = ("lac", "aps")
    kinds: tuple[str, ...] = ("gaussian-noise", "defocus-blur")
    severities: tuple[int, ...] = (1, 3, 5)
    minimum_n: int = 20

    def __post_init__(self) -> None:
        for name in self.methods:
            if name not in METHODS:
                raise ConfigError(
                    f"conformal: there is no method {name!r}.{near_miss(name, METHODS)}",
                    hint=f"The methods are {', '.join(METHODS)}.",
                )
        for name, chosen in (("methods", self.methods), ("alphas", self.alphas)):
            require_choice("conformal", name, chosen)
        for alpha in self.alphas:
            if not 0 < alpha < 1:
                raise ConfigError(
                    f"conformal: alphas holds {alpha}, expected values between 0 and 1.",
                    hint="Write 0.1 for sets that hold the truth in 90 %.",
                )
        require_least(self, minimum_n=1, hint="Leave it at 20: fewer inputs say next to nothing.")
        require_changes("conformal", self.kinds, self.severities)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every method at every alpha."""
        return tuple(Rule(method, alpha) for alpha in self.alphas for method in self.methods)

    def measure(self, artifacts: Artifacts) -> Records:
        """Make the sets of a shard's test inputs, as they are and under each change."""
        found = quantiles(artifacts, self.rules)
        known = {rule: one for rule, one in found.items() if one is not None}
        tested = ~calibration_half(artifacts)[artifacts.positions]
        columns: dict[str, NDArray[Any]] = {"tested": tested}
        probs = probabilities(artifacts[Predictions].logits.numpy())
        for rule, quantile in known.items():
            sets = made_sets(artifacts, probs, rule, quantile)
            columns[rule.column("covered")] = sets.covered
            columns[rule.column("size")] = sets.size
        if known:
            columns |= self._under_change(artifacts, tested, known)
        return Records(artifacts.ids, examples=(), **columns)

    def _under_change(
        self, artifacts: Artifacts, tested: Bools, known: dict[Rule, float]
    ) -> dict[str, NDArray[Any]]:
        columns: dict[str, NDArray[Any]] = {}
        part = artifacts.at(artifacts.positions[tested])
        for change in changes_for(artifacts.data.modality, self.kinds, self.severities):
            probs = None
            if len(part):
                probs = probabilities(changed_logits(artifacts, change).numpy()[tested])
            for rule, quantile in known.items():
                covered = np.zeros(len(artifacts), dtype=np.bool_)
                size = np.zeros(len(artifacts), dtype=np.int64)
                if probs is not None:
                    covered[tested], size[tested] = made_sets(part, probs, rule, quantile)
                columns[change.column(rule.column("covered"))] = covered
                columns[change.column(rule.column("size"))] = size
        return columns

    def summarise(self, records: Records, context: Context) -> Measured:
        """Count, over the test half, what every rule's sets hold."""
        tested = records["tested"]
        calibration = int(np.count_nonzero(~tested))
        findings: list[Finding] = []
        rows: list[_Row] = []
        evidence: dict[str, Evidence] = {}
        for rule in self.rules:
            if rule.column("covered") not in records.columns:
                findings += self._too_few(rule, calibration)
                continue
            one = _Counted(self, rule, records, context, tested, calibration)
            findings += one.findings()
            rows += one.rows()
        evidence["promise"] = Note(
            title="What is promised, and on how many inputs",
            text=_promise(self.alphas, calibration, int(tested.sum()), context.level),
        )
        if rows:
            evidence |= {
                "unkept": _unkept(rows, context.level, context.data.min_cell),
                **_tables(rows),
                "sizes": _sizes(self.rules, records),
                **_curves(self.rules, rows, self.changes(context.data.modality)),
            }
        return Measured(findings=findings, evidence=evidence)

    def _too_few(self, rule: Rule, calibration: int) -> list[Finding]:
        needed = fewest_for(rule.alpha)
        why = (
            f"sets that miss at most {rule.alpha:g} need {needed} calibration inputs, half of"
            f" {2 * needed}; there are {calibration}"
        )
        return [
            self.undefined(metric, why, n=calibration, swept=rule.swept)
            for metric in ("coverage", "coverage_p", "set_size", "empty_share")
        ]

    def changes(self, modality: Modality) -> list[Change]:
        """Return what the test inputs are changed by."""
        return changes_for(modality, self.kinds, self.severities)


class _Row(NamedTuple):
    """The coverage of some test inputs by the sets of a rule."""

    rule: Rule
    where: str
    change: Change | None
    n: int
    coverage: float | None
    interval: Interval | None
    band: Interval | None
    size: float | None
    empty: float | None
    p: float | None  # of a coverage as promised


@final
@dataclass(frozen=True)
class _Counted:
    """What the sets of one rule hold."""

    check: Conformal
    rule: Rule
    records: Records
    context: Context
    tested: Bools
    calibration: int

    def findings(self) -> list[Finding]:
        """Return coverage and size: of all test inputs, by class, by slice and under change."""
        covered = self._covered()[self.tested]
        p = too_low_p(int(covered.sum()), self.calibration, len(covered), self.rule.alpha)
        found = [
            self._coverage("all", self.tested),
            self.check.value(
                "coverage_p", p, n=len(covered), interval=None, method="exact",
                swept=self.rule.swept, evidence=["promise", "coverage"],
            ),
            self._size("all", self.tested),
            self._empty(),
        ]  # fmt: skip
        for where, members in self._parts():
            n = int(np.count_nonzero(members))
            if n < self.check.minimum_n:
                why = too_small(n, self.check.minimum_n).replace("inputs", "test inputs")
                found += [
                    self.check.undefined(metric, why, n=n, slice_name=where, swept=self.rule.swept)
                    for metric in ("coverage", "set_size")
                ]
            else:
                found += [self._coverage(where, members), self._size(where, members)]
        for change in self.check.changes(self.context.data.modality):
            found += [
                self._coverage("all", self.tested, change),
                self._size("all", self.tested, change),
            ]
        return found

    def rows(self) -> list[_Row]:
        """Return the same as rows of a table."""
        parts = [("all", self.tested), *self._parts()]
        changes = self.check.changes(self.context.data.modality)
        return [
            *[self._row(where, members, None) for where, members in parts],
            *[self._row("all", self.tested, change) for change in changes],
        ]

    def _parts(self) -> list[tuple[str, Bools]]:
        data = self.context.data
        classes = [
            (f"class={name}", (data.labels == c) & self.tested)
            for c, name in enumerate(data.classes)
        ]
        return [*classes, *[(one.name, one.members & self.tested) for one in slices_of(data)]]

    def _column(self, name: str, change: Change | None) -> NDArray[Any]:
        column = self.rule.column(name)
        return self.records[change.column(column) if change else column]

    def _covered(self, change: Change | None = None) -> Bools:
        return self._column("covered", change)

    def _sizes(self, change: Change | None = None) -> Ints:
        return self._column("size", change)

    def _swept(self, change: Change | None) -> Params:
        return {**self.rule.swept, **(change.swept if change else {})}

    def _coverage(self, where: str, members: Bools, change: Change | None = None) -> Finding:
        covered = self._covered(change)[members]
        return self.check.share(
            "coverage", int(covered.sum()), n=len(covered), slice_name=where,
            swept=self._swept(change), evidence=["promise", "changes" if change else "coverage"],
            level=self.context.level,
        )  # fmt: skip

    def _size(self, where: str, members: Bools, change: Change | None = None) -> Finding:
        sizes = self._sizes(change)[members].astype(np.float64)
        swept, level = self._swept(change), self.context.level
        purpose = (where, *map(str, swept.values()))
        value, interval, method = bounded_mean(
            sizes, high=len(self.context.data.classes),
            seed=self.context.key("conformal", "size", *purpose), level=level,
        )  # fmt: skip
        return self.check.value(
            "set_size", value, n=len(sizes), interval=interval, method=method,
            slice_name=where, swept=swept,
            evidence=["changes" if change else "coverage"], level=level,
        )  # fmt: skip

    def _empty(self) -> Finding:
        sizes = self._sizes()[self.tested]
        return self.check.share(
            "empty_share", int(np.count_nonzero(sizes == 0)), n=len(sizes), swept=self.rule.swept,
            evidence=["sizes"], level=self.context.level,
        )  # fmt: skip

    def _row(self, where: str, members: Bools, change: Change | None) -> _Row:
        n, level = int(np.count_nonzero(members)), self.context.level
        if n < self.check.minimum_n and where != "all":
            return _Row(self.rule, where, change, n, *[None] * 6)
        covered, sizes = self._covered(change)[members], self._sizes(change)[members]
        return _Row(
            rule=self.rule,
            where=where,
            change=change,
            n=n,
            coverage=float(covered.mean()),
            interval=clopper_pearson(int(covered.sum()), n, level=level),
            band=coverage_band(self.calibration, n, self.rule.alpha, level=level),
            size=float(sizes.mean()),
            empty=float((sizes == 0).mean()),
            p=too_low_p(int(covered.sum()), self.calibration, n, self.rule.alpha),
        )


def _promise(alphas: Sequence[float], calibration: int, n: int, level: float) -> str:
    sentences = [f"Calibrated on {calibration} inputs, tested on {n} others."]
    for alpha in alphas:
        if calibration < fewest_for(alpha):
            sentences.append(
                f"Sets that miss at most {alpha:g} need {fewest_for(alpha)} calibration inputs:"
                " with fewer only the set of all classes keeps the promise."
            )
            continue
        low, high = coverage_band(calibration, n, alpha, level=level)
        sentences.append(
            f"At alpha = {alpha:g} at least {plain_percent(1 - alpha)} is promised on average over"
            f" such halves; a valid procedure shows {percent_range(low, high)} in"
            f" {plain_percent(level)} of audits of this size, or more where many scores are equal."
            " The interval of a coverage is for these sets as they were calibrated; the band is"
            " for the procedure."
        )
    return " ".join(sentences)


def _tables(rows: Sequence[_Row]) -> dict[str, Evidence]:
    """Return where the sets hold the truth: among which inputs, and under which change."""
    columns = [
        "n", "coverage", "low", "high", "band, low", "band, high", "classes", "empty"
    ]  # fmt: skip
    units = {"share": ["coverage", "low", "high", "band, low", "band, high", "empty"]}
    found: dict[str, Evidence] = {
        "coverage": Table(
            title="Coverage and size of the sets beside the band a valid procedure shows where"
            " inputs are like those of the calibration",
            columns=["sets", "inputs", *columns],
            rows=[[one.rule.words, one.where, *_cells(one)] for one in rows if one.change is None],
            units=units,
        )
    }
    changed: list[list[Scalar]] = [
        [one.rule.words, *one.change, *_cells(one)] for one in rows if one.change
    ]
    if changed:
        found["changes"] = Table(
            title="Coverage and size of the same sets under change",
            columns=["sets", "corruption", "severity", *columns],
            rows=changed,
            units=units,
        )
    return found


def _cells(one: _Row) -> list[Scalar]:
    return [
        one.n, one.coverage, *(one.interval or (None, None)), *(one.band or (None, None)), one.size,
        one.empty,
    ]  # fmt: skip


def _unkept(rows: Sequence[_Row], level: float, least: int) -> Note:
    """Return in which classes and slices the sets hold the truth less often than promised."""
    parts = [
        one
        for one in rows
        if one.p is not None and one.where != "all" and not one.change and one.n >= least
    ]
    adjusted = benjamini_hochberg([one.p or 0.0 for one in parts])
    low = sorted(
        (p, f"{one.where} ({one.rule.words}: {percent(one.coverage)} of {one.n})")
        for one, p in zip(parts, adjusted, strict=True)
        if p <= 1 - level and one.coverage is not None
    )
    named = "; ".join(words for _, words in low[:_NAMED])
    more = f"; and {len(low) - _NAMED} more" * (len(low) > _NAMED)
    text = (
        f"Of {len(parts)} classes and slices with enough test inputs,"
        f" {f'these are covered less: {named}{more}' if low else 'none is covered less'} than"
        " chance explains (beta-binomial, Benjamini-Hochberg over all of them). Split conformal"
        " sets promise nothing for a part of the inputs."
    )
    return Note(title="Where the sets hold the truth less often", text=text)


def _sizes(rules: Sequence[Rule], records: Records) -> Bars:
    tested = records["tested"]
    bars: list[Bar] = []
    for rule in rules:
        if rule.column("size") in records.columns:
            counts = np.bincount(records[rule.column("size")][tested])
            bars += [
                Bar(
                    label=f"{rule.words}: {size}",
                    value=count / int(tested.sum()),
                )
                for size, count in enumerate(counts.tolist())
                if count
            ]
    return Bars(
        title="How many classes the sets hold, share of the test inputs",
        value_label="share of the test inputs",
        bars=bars,
    )


def _curves(
    rules: Sequence[Rule], rows: Sequence[_Row], changes: Sequence[Change]
) -> dict[str, Evidence]:
    """Return coverage over severity, one line per method and kind, at the first alpha."""
    series: list[Series] = []
    for rule in [one for one in rules if one.alpha == rules[0].alpha]:
        whole = [one for one in rows if one.rule == rule and one.where == "all"]
        for kind in dict.fromkeys(one.kind for one in changes):
            found = [one for one in whole if one.change is None or one.change.kind == kind]
            ends = [one.interval for one in found if one.interval]
            series.append(
                Series(
                    name=f"{rule.method}, {kind}",
                    x=[float(one.change.severity) if one.change else 0.0 for one in found],
                    y=[one.coverage for one in found],
                    low=[one.low for one in ends],
                    high=[one.high for one in ends],
                )
            )
    if not any(one.y for one in series):
        return {}
    return {
        "under-change": Curve(
            title=f"Coverage over severity at alpha = {rules[0].alpha:g}, 0 being the clean inputs:"
            f" {plain_percent(1 - rules[0].alpha)} is what was promised",
            x_label="severity",
            y_label="coverage",
            series=series,
        )
    }

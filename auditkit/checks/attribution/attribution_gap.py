"""Are the explanations of one group worse than those of another?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.checks.attribution._leading_parts import leading_parts, leading_table
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.groups import gap_p_metric, groups_of, names_of
from auditkit.checks.parameters import require_least
from auditkit.data.dataset import Dataset
from auditkit.findings import (
    Bar,
    Bars,
    Evidence,
    Finding,
    Metric,
    Note,
    Table,
    finding_id,
)
from auditkit.methods.saliency.catalogue import METHODS
from auditkit.methods.saliency.exhibits import words
from auditkit.percent import plain_percent
from auditkit.statistics import (
    Interval,
    bounded_mean,
    gap_of_means,
    gap_of_shares,
    holm,
    permutation_p,
)
from auditkit.types import Floats, Ints, Params, Scalar

PURPOSE = "attribution-gap"
TRUST = "attribution-trust"
CLASSES = "true class"  # what divides the inputs where no column does


def _gap(label: str, unit: str) -> Metric:
    return Metric(
        label=f"gap of the {label}",
        definition=f"Largest minus smallest mean {label} of the groups with at least minimum_n"
        " explained inputs.",
        unit=unit,
        better="lower",
    )


@final
@dataclass(frozen=True, kw_only=True)
class AttributionGap(Check):
    """Trust in the maps per group, and how far the groups lie apart.

    The maps are those of `attribution-trust`, whose numbers per input are read. Groups are those of
    `group-gap`: sensitive columns, or without any all columns; without columns the true classes.

    Parameters
    ----------
    max_inputs : int
        Texts and tables: inputs whose leading words or columns are listed, at least 2.
    minimum_n : int
        A group with fewer explained inputs is shown, but left out of the gaps; at least 2.
    permutations : int
        Permutations behind each p-value, at least 100.

    Raises
    ------
    ConfigError
        If a parameter lies outside its range.
    """

    meta: ClassVar[Meta] = Meta(
        id=PURPOSE,
        family="attribution",
        version=2,
        question="Are the explanations of one group worse than those of another?",
        explanation=(
            "For every group, how faithful the maps of its inputs are, and where the data says what"
            " truly matters, how much of them lies beside it. A gap is the largest mean of a group"
            " minus the smallest; a permutation test asks whether chance alone would give such a"
            " gap. For texts and tables the words or columns that lead the maps are listed per"
            " group."
        ),
        not_shown=(
            "Why groups differ: inputs of one group may be harder, or the model surer of them,"
            " which changes what removing a part can do. Equal maps do not make decisions fair, and"
            " a model may lean on a trait in all groups alike. Groups that no column names. Few"
            " inputs are explained, so that only large gaps are found: a large p-value is no"
            " evidence of equal treatment."
        ),
        remedy=(
            "Do not show maps to the group whose maps are not faithful as if they were. Where one"
            " group's maps lie beside the point, look for a shortcut in its training data."
        ),
        metrics={
            "deletion_gain": Metric(
                label="deletion gain",
                definition=(
                    "Mean over the group's explained inputs of the deletion gain that"
                    " `attribution-trust` measures: above 0 the map finds what the answer depends"
                    " on better than chance."
                ),
                unit="probability",
                better="higher",
            ),
            "deletion_gain_gap": _gap("deletion gain", "probability"),
            "deletion_gain_gap_p": gap_p_metric("gap of the deletion gain"),
            "background_mass": Metric(
                label="mass beside the point",
                definition=(
                    "Mean over the group's explained inputs of the share of absolute scores outside"
                    " the region that truly matters."
                ),
                unit="share",
                better="lower",
            ),
            "background_mass_gap": _gap("mass beside the point", "share"),
            "background_mass_gap_p": gap_p_metric("gap of the mass beside the point"),
            "rationale_hit_rate": Metric(
                label="rationale hit rate",
                definition=(
                    "Share of the group's explained texts whose highest scoring token lies in the"
                    " rationale, of texts with a rationale that leaves out at least one token."
                ),
                unit="share",
                better="higher",
            ),
            "rationale_hit_rate_gap": _gap("rationale hit rate", "share"),
            "rationale_hit_rate_gap_p": gap_p_metric("gap of the rationale hit rate"),
        },
        headline="attribution-gap/deletion_gain_gap/*",
        modalities=("image", "text", "tabular", "graph"),
        controlled_by=(TRUST,),
        reads=(TRUST,),
        references=(
            "Balagopalan et al., 2022, arXiv:2205.03295",
            "Dai et al., 2022, arXiv:2205.07277",
        ),
    )
    max_inputs: int = 128
    minimum_n: int = 10
    permutations: int = 2000

    def __post_init__(self) -> None:
        require_least(self, max_inputs=2, minimum_n=2, permutations=100)

    def measure(self, artifacts: Artifacts) -> Records:
        """Find the leading words or columns of those that were drawn; all else is read."""
        drawn = np.zeros(len(artifacts), dtype=np.bool_)
        if artifacts.classifier.modality in ("text", "tabular"):
            drawn = artifacts.drawn(PURPOSE, self.max_inputs)
        parts = [leading_parts(artifacts, i) if drawn[i] else "" for i in range(len(artifacts))]
        return Records(artifacts.ids, drawn=drawn, leading=np.array(parts, dtype=np.str_))

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Compare the groups of every column by what `attribution-trust` recorded."""
        trust = context.others.get(TRUST)
        if trust is None:
            return NotApplicable(f"{TRUST} was not measured, whose numbers it reads")
        columns = [one for one in _columns(context.data) if len(one.groups) > 1]
        if not columns:
            return NotApplicable("all inputs belong to one group")
        findings: list[Finding] = []
        gaps: list[_Gap] = []
        evidence: dict[str, Evidence] = {"groups": _note(context.data)}
        for place, column in enumerate(columns, 1):
            for metric, method, values in _measured_by(trust):
                key = f"groups-{place}-{metric.replace('_', '-')}-{method}"
                one = _Comparison(self, context, column, metric, method, values, key)
                of_groups = one.groups()
                findings += of_groups
                evidence[key] = one.bars(of_groups)
                gap = one.gap()
                findings += one.gap_findings(gap)
                gaps += [gap] if gap else []
            table = leading_table(
                column.name,
                column.groups,
                column.codes,
                records["leading"],
                records["drawn"],
                minimum_n=self.minimum_n,
            )
            evidence |= {f"leading-{place}": table} if table else {}
        if not findings:
            return NotApplicable(f"{TRUST} explained no input with a method of its own")
        if gaps:
            evidence["gaps"] = _gaps_table(gaps, context.level, self.minimum_n)
        known = [one for one in gaps if one.metric == "deletion_gain"]
        widest = max(known, key=lambda one: one.size, default=None)
        return Measured(
            findings=findings, evidence=evidence, headline=widest.finding_id if widest else None
        )


class _Column(NamedTuple):
    """What divides the inputs."""

    name: str
    groups: tuple[str, ...]
    codes: Ints  # (n,)


class _Gap(NamedTuple):
    """How far the groups of one column lie apart in one number of one method's maps."""

    metric: str
    method: str
    column: str
    size: float
    interval: Interval | None  # None where no group has any spread
    interval_of: str
    p: float
    n: int
    highest: str
    lowest: str
    left_out: str

    @property
    def finding_id(self) -> str:
        """Id of the finding that says it."""
        return finding_id(PURPOSE, f"{self.metric}_gap", self.column, {"method": self.method})


@final
@dataclass(frozen=True)
class _Comparison:
    """One number of one method's maps, group by group of one column."""

    check: AttributionGap
    context: Context
    column: _Column
    metric: str
    method: str
    values: Floats  # (n,), NaN where undefined
    key: str  # of the evidence

    @property
    def swept(self) -> Params:
        """What the findings' ids are told apart by."""
        return {"method": self.method}

    @property
    def controls(self) -> list[str]:
        """Whether the maps depend on the model at all."""
        return [finding_id(TRUST, "randomisation_similarity", "all", self.swept)]

    @property
    def is_share(self) -> bool:
        """Whether each input is a hit or a miss."""
        return self.metric == "rationale_hit_rate"

    def of_group(self, g: int) -> Floats:
        """Return the numbers of a group's explained inputs."""
        values = self.values[self.column.codes == g]
        return values[np.isfinite(values)]

    def groups(self) -> list[Finding]:
        """Return the mean of every group."""
        return [self._of(name, self.of_group(g)) for g, name in enumerate(self.column.groups)]

    def _of(self, group: str, values: Floats) -> Finding:
        where, n, level = f"{self.column.name}={group}", len(values), self.context.level
        if n < 2:
            why = f"the group's inputs with a map that can be judged: {n}, and an interval needs 2"
            return self.check.undefined(self.metric, why, n=n, slice_name=where, swept=self.swept)
        shown = [self.key]
        if self.is_share:
            return self.check.share(
                self.metric, int(values.sum()), n=n, slice_name=where, swept=self.swept,
                evidence=shown, controls=self.controls, level=level,
            )  # fmt: skip
        seed = self.context.key(PURPOSE, self.metric, self.method, where)
        low = -1.0 if self.metric == "deletion_gain" else 0.0
        value, interval, method = bounded_mean(values, seed=seed, level=level, low=low)
        return self.check.value(
            self.metric, value, n=n, slice_name=where, swept=self.swept,
            interval=interval, method=method,
            evidence=shown, controls=self.controls, level=level,
        )  # fmt: skip

    def gap(self) -> _Gap | None:
        """Return how far the groups with enough inputs lie apart, if there are two."""
        sizes = [len(self.of_group(g)) for g in range(len(self.column.groups))]
        enough = [g for g, n in enumerate(sizes) if n >= self.check.minimum_n]
        if len(enough) < 2:
            return None
        parts = [self.of_group(g) for g in enough]
        values = np.concatenate(parts)
        codes = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        totals = np.bincount(codes)
        means = np.array([part.mean() for part in parts])
        names = [self.column.groups[g] for g in enough]
        p = permutation_p(
            lambda drawn: float(np.ptp(np.bincount(drawn, values) / totals)),
            codes,
            seed=self.context.key(PURPOSE, self.metric, self.method, self.column.name),
            permutations=self.check.permutations,
        )
        interval, interval_of = self._interval(values, codes)
        return _Gap(
            self.metric, self.method, self.column.name, float(np.ptp(means)), interval, interval_of,
            p, len(values), names[int(means.argmax())], names[int(means.argmin())],
            ", ".join(one for g, one in enumerate(self.column.groups) if g not in enough),
        )  # fmt: skip

    def _interval(self, values: Floats, codes: Ints) -> tuple[Interval | None, str]:
        level, two = self.context.level, int(codes.max()) == 1
        if self.is_share:
            hits = np.bincount(codes, values).round().astype(np.int64)
            found = gap_of_shares(hits, np.bincount(codes), level=level)
            return found, "newcombe" if two else "simultaneous"
        found = gap_of_means(values, codes, level=level)
        if found.low == found.high:
            return None, "none"
        return found, "welch" if two else "simultaneous"

    def gap_findings(self, gap: _Gap | None) -> list[Finding]:
        """Return the gap and its p-value, or why there is none."""
        metrics, where = (f"{self.metric}_gap", f"{self.metric}_gap_p"), self.column.name
        if gap is None:
            why = f"fewer than two groups have {self.check.minimum_n} explained inputs (minimum_n)"
            n = int(np.isfinite(self.values).sum())
            return [
                self.check.undefined(one, why, n=n, slice_name=where, swept=self.swept)
                for one in metrics
            ]
        return [
            self.check.value(
                metrics[0], gap.size, n=gap.n, interval=gap.interval, method=gap.interval_of,
                slice_name=where, swept=self.swept, evidence=[self.key, "gaps"],
                controls=self.controls, level=self.context.level,
            ),
            self.check.value(
                metrics[1], gap.p, n=gap.n, interval=None, method="exact",
                slice_name=where, swept=self.swept, evidence=["gaps"],
            ),
        ]  # fmt: skip

    def bars(self, found: Sequence[Finding]) -> Bars:
        """Return the mean of every group, with its interval."""
        label = self.check.meta.metrics[self.metric].label
        return Bars(
            title=f"{label.capitalize()} of {words(self.method)} by {self.column.name}",
            value_label=label,
            bars=[
                Bar(label=group, value=one.value, low=one.low, high=one.high, n=one.n)
                for group, one in zip(self.column.groups, found, strict=True)
            ],
        )


def _columns(data: Dataset) -> Iterator[_Column]:
    names = names_of(data)
    for name in names:
        codes, groups = groups_of(name, data)
        yield _Column(name, groups, codes)
    if not names:
        there, codes = np.unique(data.labels, return_inverse=True)
        yield _Column(CLASSES, tuple(data.classes[i] for i in there.tolist()), codes)


def _measured_by(trust: Records) -> Iterator[tuple[str, str, Floats]]:
    """Yield metric, method and the numbers (n,) that were recorded, where there are any."""
    for method in METHODS:
        sources: Mapping[str, Floats | None] = {
            "deletion_gain": trust.columns.get(f"deletion_gain/{method}"),
            "background_mass": trust.columns.get(f"relevance_mass/{method}"),
            "rationale_hit_rate": trust.columns.get(f"rationale_hit_rate/{method}"),
        }
        for metric, values in sources.items():
            # What matters is not known of most data, and then nothing is finite.
            if values is not None and np.isfinite(values).any():
                yield metric, method, 1 - values if metric == "background_mass" else values


def _note(data: Dataset) -> Note:
    names = names_of(data)
    if not names:
        said = "No column divides the inputs. Compared by the true classes."
    elif data.sensitive:
        said = f"Compared by the sensitive columns: {', '.join(names)}."
    else:
        said = f"No column is marked sensitive. Compared by every column: {', '.join(names)}."
        if data.derived:
            derived = ", ".join(data.derived)
            said += f" Derived from the inputs themselves, not descriptions of people: {derived}."
    return Note(title="Which groups are compared", text=said)


def _gaps_table(gaps: Sequence[_Gap], level: float, minimum_n: int) -> Table:
    """Return all gaps, and which of them hold up when so many are tested at once."""
    holds = holm([one.p for one in gaps], alpha=1 - level)
    rows: list[list[Scalar]] = [
        [
            one.column, f"{one.metric.replace('_', ' ')}, {words(one.method)}", one.size,
            *(one.interval or (None, None)), one.p, "yes" if held else "no", one.highest,
            one.lowest, one.left_out,
        ]
        for one, held in zip(gaps, holds, strict=True)
    ]  # fmt: skip
    return Table(
        title=f"Gaps between groups of at least {minimum_n} explained inputs; of so many tests,"
        f" which are beyond chance (Holm, {plain_percent(level)})",
        columns=[
            "groups by", "of", "gap", "low", "high", "p", "beyond chance", "highest", "lowest",
            "left out (small)",
        ],
        rows=rows,
    )  # fmt: skip

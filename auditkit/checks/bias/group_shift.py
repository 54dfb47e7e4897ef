"""Does a shift of the data widen the gap between groups?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np

from auditkit.checks.base import Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.bias._stress import (
    GroupComparison,
    Stress,
    compare_groups,
    compare_parts,
    stress_metrics,
)
from auditkit.checks.bias._widest import widest
from auditkit.findings import Metric
from auditkit.types import Floats

_STRESSES = {  # of the checks that it reads: what a kind is called, and the stress in words
    "corruptions": ("corruption", "under corruption"),
    "typos": ("kind", "when mistyped"),
    "table-shift": ("kind", "with damaged cells"),
    "graph-shift": ("kind", "with random edges"),
}
_MIXED = "mixed"  # what `typos` calls all kinds in one text


@final
@dataclass(frozen=True, kw_only=True)
class GroupShift(GroupComparison):
    """Accuracy under corruption per group, and whether groups lose different shares.

    Nothing is changed anew: what `corruptions`, `typos`, `table-shift` and `graph-shift` recorded
    is read. An input's copies are one unit: what counts is the share of them that the model reads
    rightly.

    Parameters
    ----------
    minimum_n : int
        A group with fewer inputs is shown, but left out of the gaps.
    permutations : int
        Permutations behind each p-value.

    Raises
    ------
    ConfigError
        If a parameter is outside its range.
    """

    meta: ClassVar[Meta] = Meta(
        id="group-shift",
        family="bias",
        question="Does a shift of the data widen the gap between groups?",
        explanation="For every group, the share of its inputs' damaged copies that are read"
        " rightly: corrupted images, mistyped texts, rows with damaged cells, graphs with random"
        " edges. A group's drop is what it loses to them, on the same inputs; the gap of the drops"
        " says by how much damage moves groups apart, or together, whatever gap there was before. A"
        " permutation test asks whether chance alone would give such a gap. The same for every kind"
        " of damage alone, with p-values that allow for how many kinds there are.",
        not_shown="Shifts of other kinds than were simulated. Why groups differ: one group's inputs"
        " may be darker, finer or shorter, so that the same noise takes more from them. Groups that"
        " no column names.",
        remedy="Look at the kinds that move groups apart most, train with that kind of change on"
        " the group that loses most, and measure again on new inputs.",
        metrics=stress_metrics(
            "shifted_accuracy",
            Metric(
                label="accuracy under shift",
                definition="Mean over the group's inputs of the share of the input's damaged"
                " copies, all kinds and severities alike, that are classified correctly.",
                unit="share",
                better="higher",
            ),
        ),
        headline="group-shift/drop_gap/*",
        reads=tuple(_STRESSES),
        references=(
            "Hendrycks and Dietterich, 2019, arXiv:1903.12261",
            "Holm, 1979, Scandinavian Journal of Statistics 6",
        ),
    )

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Compare groups by what the checks of shift recorded."""
        del records
        read = _read(context.others)
        if read is None:
            return NotApplicable("no damage was measured whose results it could read")
        correct = read.records["correct"].astype(np.bool_)
        stress = Stress(
            words=read.words,
            metric="shifted_accuracy",
            before=correct,
            after=read.mean_of(list(read.all)),
        )
        findings, evidence = compare_groups(self, stress, context)
        parts = [
            Stress(
                words=kind,
                metric="shifted_accuracy",
                before=correct,
                after=read.mean_of(columns),
                swept={read.what: kind},
            )
            for kind, columns in read.kinds.items()
        ]
        each, table = compare_parts(self, parts, context)
        return Measured(
            findings=[*findings, *each],
            evidence={**evidence, **({"parts": table} if table else {})},
            headline=widest(findings, "drop_gap"),
        )


class _Read(NamedTuple):
    """What a check of shift recorded: columns of truth values, by kind."""

    words: str
    what: str  # what a kind is called
    records: Records
    all: tuple[str, ...]  # columns of the copies that count together
    kinds: dict[str, list[str]]

    def mean_of(self, columns: list[str]) -> Floats:
        """Return the share of the columns that are true, per input (n,)."""
        return np.mean([self.records[name] for name in columns], axis=0)


def _read(others: Mapping[str, Records]) -> _Read | None:
    for check, (what, words) in _STRESSES.items():
        kinds = _kinds(others[check]) if check in others else {}
        if kinds:
            mixed = kinds.pop(_MIXED, None)  # the copies of all kinds in one
            every = [name for columns in kinds.values() for name in columns]
            return _Read(words, what, others[check], tuple(mixed or every), kinds)
    return None


def _kinds(records: Records) -> dict[str, list[str]]:
    """Return the columns `kind-severity` by kind."""
    found: dict[str, list[str]] = {}
    for name, column in records.columns.items():
        kind, _, severity = name.rpartition("-")
        if kind and severity.isdigit() and column.dtype == np.bool_:
            found.setdefault(kind, []).append(name)
    return found

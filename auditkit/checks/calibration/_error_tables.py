"""How calibration is shown: diagrams, and tables that put chance beside what was observed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, final

import numpy as np

from auditkit.checks.calibration._changed import Change
from auditkit.findings import Bar, Bars, Curve, Note, Series, Table
from auditkit.methods.metrics.calibration import Reliability
from auditkit.percent import plain_percent
from auditkit.statistics import Interval, benjamini_hochberg, clopper_pearson, p_among
from auditkit.types import Bools, Floats, Scalar


@final
@dataclass(frozen=True, kw_only=True)
class Cell:
    """The calibration of some inputs, with what chance alone would show of it."""

    name: str
    n: int
    confidence: Floats
    correct: Bools
    error: float
    interval: Interval
    chance: float  # mean
    band: Interval
    p: float

    @classmethod
    def of(
        cls,
        name: str,
        confidence: Floats,
        correct: Bools,
        error: float,
        interval: Interval,
        null: Floats,
        level: float,
    ) -> Self:
        """Return a cell with inputs."""
        return cls(
            name=name,
            n=len(confidence),
            confidence=confidence,
            correct=correct,
            error=error,
            interval=interval,
            chance=float(null.mean()),
            band=band(null, level),
            p=beyond(error, null),
        )

    @classmethod
    def empty(cls, name: str, n: int) -> Self:
        """Return a cell of which nothing is said."""
        nan = float("nan")
        nothing = Interval(nan, nan)
        return cls(
            name=name, n=n, confidence=np.empty(0), correct=np.empty(0, dtype=np.bool_), error=nan,
            interval=nothing, chance=nan, band=nothing, p=nan,
        )  # fmt: skip

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said of it."""
        return len(self.confidence) == 0

    @property
    def row(self) -> list[Scalar]:
        """n, accuracy, mean confidence, error with its interval, and what chance would show."""
        if self.is_empty:
            return [self.n, *[None] * 9]
        return [
            self.n, float(self.correct.mean()), float(self.confidence.mean()), self.error,
            *self.interval, self.chance, *self.band, self.p,
        ]  # fmt: skip


_COLUMNS = [
    "n", "accuracy", "mean confidence", "calibration error", "low", "high", "by chance",
    "by chance, low", "by chance, high", "p",
]  # fmt: skip


def beyond(observed: float, null: Floats) -> float:
    """Return the p-value of an observed error among simulated ones."""
    return p_among(observed, null)


def band(null: Floats, level: float) -> Interval:
    """Return the range of simulated errors without their tails."""
    low, high = np.quantile(null, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def diagram(title: str, tables: Mapping[str, Reliability], level: float) -> Curve:
    """Return accuracy over mean confidence, bin by bin."""
    return Curve(
        title=title,
        x_label="mean confidence of the bin",
        y_label="accuracy of the bin",
        series=[_series(name, table, level) for name, table in tables.items()],
        diagonal=True,
    )


def _series(name: str, table: Reliability, level: float) -> Series:
    limits = _limits(table, level)
    return Series(
        name=name,
        x=table.confidence.tolist(),
        y=list(table.accuracy.tolist()),
        low=[low for low, _ in limits],
        high=[high for _, high in limits],
    )


def bins_table(table: Reliability, bins: int, level: float) -> Table:
    """Return the bins with how many inputs each holds."""
    return Table(
        title="Bins of the reliability diagram; a bin without inputs is left out",
        columns=["from", "to", "n", "mean confidence", "accuracy", "low", "high"],
        rows=[
            [bin_ / bins, (bin_ + 1) / bins, count, confidence, accuracy, low, high]
            for bin_, count, confidence, accuracy, (low, high) in zip(
                table.bin.tolist(),
                table.count.tolist(),
                table.confidence.tolist(),
                table.accuracy.tolist(),
                _limits(table, level),
                strict=True,
            )
        ],
        units={"share": ["from", "to", "mean confidence", "accuracy", "low", "high"]},
    )


def _limits(table: Reliability, level: float) -> list[Interval]:
    cells = zip(table.hits.tolist(), table.count.tolist(), strict=True)
    return [clopper_pearson(hits, count, level=level) for hits, count in cells]


def chance_note(observed: float, null: Floats, n: int) -> Note:
    """Return in words what a perfectly calibrated model would show."""
    low, high = np.quantile(null, [0.025, 0.975])
    return Note(
        title="What chance alone would show",
        text=(
            f"A perfectly calibrated model with these confidences would show an error of"
            f" {null.mean():.4f} on average at n = {n}, between {low:.4f} and {high:.4f} in 95 of"
            f" 100 samples. Observed: {observed:.4f}, which is {observed - null.mean():+.4f} from"
            f" that average."
        ),
    )


def chance_table(rows: Mapping[str, tuple[float, Floats]], n: int, level: float) -> Table:
    """Return every score beside what a perfectly calibrated model would score.

    Parameters
    ----------
    rows : mapping
        Observed value and simulated ones, by what they are called.
    n : int
        Inputs.
    level : float
        Of the band.
    """
    return Table(
        title=f"What a perfectly calibrated model would show at this n, in {plain_percent(level)}"
        " of samples",
        columns=["score", "n", "observed", "by chance", "by chance, low", "by chance, high", "p"],
        rows=[
            [name, n, value, float(null.mean()), *band(null, level), beyond(value, null)]
            for name, (value, null) in rows.items()
        ],
    )


def slices_bars(column: str, cells: list[Cell]) -> Bars:
    """Return the errors of the groups of a column."""
    return Bars(
        title=f"Calibration error by {column}",
        value_label="expected calibration error",
        bars=[
            Bar(label=one.name, value=None, n=one.n)
            if one.is_empty
            else Bar(
                label=one.name,
                value=one.error,
                low=one.interval.low,
                high=one.interval.high,
                n=one.n,
            )
            for one in cells
        ],
    )


def slices_table(cells: Mapping[str, list[Cell]], minimum_n: int) -> Table:
    """Return the calibration of every slice, p-values adjusted for how many there are."""
    flat = [(column, one) for column, found in cells.items() for one in found]
    adjusted = iter(benjamini_hochberg([one.p for _, one in flat if not one.is_empty]))
    return Table(
        title="Calibration of every slice beside what chance would show at its n; of fewer than"
        f" {minimum_n} inputs nothing is said. Adjusted p: Benjamini-Hochberg over all slices",
        columns=["column", "group", *_COLUMNS, "adjusted p"],
        rows=[
            [column, one.name, *one.row, None if one.is_empty else next(adjusted)]
            for column, one in flat
        ],
        units={"share": _COLUMNS[1:-1]},
    )


def cells_curve(clean: Cell, cells: Mapping[Change, Cell]) -> Curve:
    """Return the error over severity, 0 being the inputs as they are."""
    kinds: dict[str, dict[int, Cell]] = {}
    for change, cell in cells.items():
        kinds.setdefault(change.kind, {0: clean})[change.severity] = cell
    return Curve(
        title="Calibration error over severity, 0 being the clean inputs",
        x_label="severity",
        y_label="expected calibration error",
        series=[
            Series(
                name=kind,
                x=[float(severity) for severity in found],
                y=[one.error for one in found.values()],
                low=[one.interval.low for one in found.values()],
                high=[one.interval.high for one in found.values()],
            )
            for kind, found in kinds.items()
        ],
    )


def cells_table(clean: Cell, cells: Mapping[Change, Cell]) -> Table:
    """Return accuracy and confidence side by side: do they fall together?"""
    return Table(
        title="Does the confidence fall as the accuracy does? Beside the error stands what a"
        " perfectly calibrated model would show",
        columns=["corruption", "severity", *_COLUMNS],
        rows=[
            ["(clean)", 0, *clean.row],
            *[[change.kind, change.severity, *cell.row] for change, cell in cells.items()],
        ],
        units={"share": _COLUMNS[1:-1]},
    )

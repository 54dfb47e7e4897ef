"""Do answers hold when rows arrive damaged, or from another population?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np
import torch

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.shift._graded import (
    Cell,
    accuracy_and_drop,
    accuracy_series,
    mean_error,
    require_choice,
    require_severities,
)
from auditkit.data.dataset import Dataset
from auditkit.data.schema import Feature
from auditkit.findings import Curve, Evidence, Finding, Metric, Note, Table
from auditkit.methods.corruptions.rows import KINDS, SHARE_OF_CELLS, concerns, damaged
from auditkit.methods.corruptions.severity import SEVERITIES
from auditkit.methods.metrics.reweighting import Moved, drop_under, evened, tilted
from auditkit.percent import plain_percent
from auditkit.statistics import newcombe
from auditkit.types import Bools, Floats, Scalar

_STEP = 0.5  # standard deviations by which a column's mean is moved
_NAMED = 5  # moves that become findings
_DATE = re.compile(r"(19|20)\d{2}(-\d{2}(-\d{2}([T ].*)?)?)?")  # a year, a month, a day


class _Move(NamedTuple):
    column: str
    move: str
    moved: Moved


@final
@dataclass(frozen=True, kw_only=True)
class TableShift(Check):
    """Accuracy on damaged cells at five severities, and where a column is distributed otherwise.

    A row gets the same damage in every run of the same seed, and a higher severity keeps that of a
    lower one.

    Parameters
    ----------
    severities : tuple of int
        Distinct severities from 1 to 5: the shares of cells in
        `auditkit.methods.corruptions.rows.SHARE_OF_CELLS`.
    kinds : tuple of str
        Distinct names from `auditkit.methods.corruptions.rows.KINDS`.

    Raises
    ------
    ConfigError
        If a severity or a kind is unknown or named twice, or a tuple is empty.
    """

    meta: ClassVar[Meta] = Meta(
        id="table-shift",
        family="shift",
        question="Do answers hold when rows arrive damaged, or from another population?",
        explanation="A share of the cells is damaged at random: emptied, in a wrong scale or unit,"
        " mistyped, or in another category. Accuracy is compared with that on the same rows when"
        " whole. Then rows are weighted so that one column is distributed otherwise, as in another"
        " population. Where a column holds dates, later rows are compared with earlier ones.",
        not_shown="Damage that comes together, such as a whole column or a whole batch. Weighting"
        " shows only populations whose rows are among the audited ones, and assumes that labels"
        " depend on a row as before.",
        remedy="Check ranges and units where rows come in, refuse what cannot be, train with"
        " emptied cells, and watch the columns whose move costs most.",
        metrics={
            "mean_damage_error": Metric(
                label="mean error on damaged rows",
                definition="Error averaged over kinds and severities, of all inputs.",
                unit="share",
                better="lower",
            ),
            "accuracy": Metric(
                label="accuracy on damaged rows",
                definition="Share of all inputs that are classified correctly with one kind of"
                " damage at one severity.",
                unit="share",
                better="higher",
            ),
            "accuracy_drop": Metric(
                label="accuracy lost to damage",
                definition="Accuracy on the whole rows minus accuracy on the same rows with one"
                " kind of damage at one severity.",
                unit="share difference",
                better="lower",
            ),
            "reweighted_drop": Metric(
                label="accuracy lost where a column moves",
                definition="Accuracy on all inputs minus their accuracy with weights by which the"
                " mean of a numeric column moves half a standard deviation, or the shares of"
                " categories move halfway to equal ones.",
                unit="share difference",
                better="lower",
            ),
            "later_drop": Metric(
                label="accuracy lost on later rows",
                definition="Accuracy on the rows up to the median date of a column minus accuracy"
                " on those after it.",
                unit="share difference",
                better="lower",
            ),
        },
        headline="table-shift/mean_damage_error/all",
        modalities=("tabular",),
        references=("Shimodaira, 2000, doi:10.1016/S0378-3758(00)00115-4 (covariate shift)",),
    )
    severities: tuple[int, ...] = SEVERITIES
    kinds: tuple[str, ...] = tuple(KINDS)

    def __post_init__(self) -> None:
        require_severities("table-shift", self.severities)
        require_choice("table-shift", "kinds", self.kinds)
        for kind in self.kinds:
            concerns(kind, Feature(name="any"))

    def measure(self, artifacts: Artifacts) -> Records:
        """Read one shard under every kind at every severity."""
        rows, model = artifacts.inputs, artifacts.table_model
        assert not isinstance(rows, list)
        whole, features = rows.numpy(), model.schema.features
        columns: dict[str, np.ndarray] = {"correct": artifacts[Predictions].correct.numpy()}
        for kind in self._possible(features):
            keys = artifacts.keys(f"table-shift/{kind}")
            for severity in self.severities:
                changed, hit = damaged(whole, features, kind, severity, keys)
                name = f"{kind} at severity {severity}"
                cell = Cell.read(artifacts, torch.from_numpy(changed), name)
                columns[_column(kind, severity)] = cell.correct
                columns[f"hit/{kind}/{severity}"] = hit.sum(axis=1)
        return Records(artifacts.ids, examples=(), **columns)

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Return errors under damage, the costliest moves, and later rows beside earlier ones."""
        data, level = context.data, context.level
        assert data.schema is not None
        features = data.schema.features
        cells = [
            (kind, severity)
            for kind in self._possible(features)
            for severity in self.severities
            if records[f"hit/{kind}/{severity}"].any()
        ]
        if not cells:
            return NotApplicable("no cell could be damaged by the chosen kinds")
        value, interval, method = mean_error(
            [records[_column(*cell)] for cell in cells],
            seed=context.key("table-shift", "mean"),
            level=level,
        )
        mean = self.value(
            "mean_damage_error", value, n=len(records), interval=interval, method=method,
            evidence=("curve", "reading"), level=level,
        )  # fmt: skip
        rows = data.read(slice(0, len(data)))
        assert not isinstance(rows, list)
        moves = _moves(records["correct"], rows, features, level)
        return Measured(
            findings=[
                mean,
                *(one for cell in cells for one in self._at(*cell, records, level)),
                *(self._moved(one, len(records), level) for one in moves[:_NAMED]),
                *self._later(records["correct"], data, level),
            ],
            evidence=self._evidence(records, cells, moves, level),
        )

    def _possible(self, features: Sequence[Feature]) -> list[str]:
        return [kind for kind in self.kinds if any(concerns(kind, one) for one in features)]

    def _at(self, kind: str, severity: int, records: Records, level: float) -> list[Finding]:
        return accuracy_and_drop(
            self, _column(kind, severity), records, swept={"kind": kind, "severity": severity},
            evidence=("curve",), level=level,
        )  # fmt: skip

    def _moved(self, one: _Move, n: int, level: float) -> Finding:
        return self.value(
            "reweighted_drop", one.moved.drop, n=n, interval=one.moved.interval,
            method="linearised-simultaneous", swept={"column": one.column, "move": one.move},
            evidence=("moves",), level=level,
        )  # fmt: skip

    def _later(self, correct: Bools, data: Dataset, level: float) -> list[Finding]:
        """Compare later rows with earlier ones, by every column that holds dates."""
        found: list[Finding] = []
        for name in map(str, data.attributes.columns):
            dates = data.attributes[name].astype(str).to_numpy(dtype=np.str_)
            if not all(_DATE.fullmatch(str(one)) for one in dates):
                continue
            late = dates > np.sort(dates)[(len(dates) - 1) // 2]  # ISO dates sort as texts
            first, last = correct[~late], correct[late]
            if not len(last):
                continue
            counts = int(first.sum()), len(first), int(last.sum()), len(last)
            found.append(
                self.value(
                    "later_drop", float(first.mean() - last.mean()), n=len(correct),
                    interval=newcombe(*counts, level=level), method="newcombe",
                    swept={"column": name}, level=level,
                )
            )  # fmt: skip
        return found

    def _evidence(
        self,
        records: Records,
        cells: Sequence[tuple[str, int]],
        moves: Sequence[_Move],
        level: float,
    ) -> dict[str, Evidence]:
        kinds = dict.fromkeys(kind for kind, _ in cells)
        clean = {0: records["correct"]}
        lines = [
            accuracy_series(
                kind,
                clean | {s: records[_column(kind, s)] for k, s in sorted(cells) if k == kind},
                level=level,
            )
            for kind in kinds
        ]
        rows: list[list[Scalar]] = [
            [one.column, one.move, one.moved.drop, *one.moved.interval, round(one.moved.effective)]
            for one in moves
        ]
        return {
            "curve": Curve(
                title="Accuracy over severity, 0 being the whole rows",
                x_label="severity",
                y_label="accuracy",
                series=lines,
            ),
            "moves": Table(
                title="Accuracy lost where one column moves, the most first",
                columns=["column", "move", "drop", "low", "high", "effective inputs"],
                rows=rows[:30],
                units={"share difference": ["drop", "low", "high"]},
            ),
            "reading": Note(title="How to read this", text=_READING),
        }


def _moves(correct: Bools, rows: Floats, features: Sequence[Feature], level: float) -> list[_Move]:
    """Return every move of one column, the costliest first; their intervals hold together."""
    planned: list[tuple[str, str, Floats]] = []
    for j, one in enumerate(features):
        values = rows[:, j].astype(np.float64)
        if one.kind == "categorical":
            planned.append((one.name, "evened", evened(np.nan_to_num(values, nan=-1).astype(int))))
            continue
        known = values[~np.isnan(values)]
        filled = np.where(np.isnan(values), known.mean() if len(known) else 0.0, values)
        for by, move in ((-_STEP, "lower"), (_STEP, "higher")):
            planned.append((one.name, move, tilted(filled, by)))
    able = [one for one in planned if np.ptp(one[2]) > 0]
    each = 1 - (1 - level) / max(1, len(able))
    found = [
        _Move(name, move, drop_under(correct, weights, level=each)) for name, move, weights in able
    ]
    return sorted(found, key=lambda one: (-one.moved.drop, one.column, one.move))


def _column(kind: str, severity: int) -> str:
    return f"{kind}-{severity}"


_READING = (
    "The severities damage "
    + ", ".join(plain_percent(one) for one in SHARE_OF_CELLS)
    + " of the cells that a kind concerns: every column for `missing`, numeric ones for `scale`"
    " (1,000 times too much or too little), `unit` (2.54 times) and `slip` (a digit or the sign),"
    " the others for categories. The intervals of all moves hold together."
)

"""The number of each input behind a finding, as the records of its check hold it.

Records do not say which column a finding was made of. So columns are proposed by name, and one is
taken only where it gives back the finding's own value and n.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from auditkit.diff.sides import Loaded
from auditkit.findings import Finding
from auditkit.types import Bools, Floats, Scalar

Columns = Mapping[str, NDArray[Any]]
_FLIPS = (  # where checks keep the smallest budget at which an input's answer became wrong
    *("flip_epsilon", "flip_linf", "flip_l2", "changed_words", "changed_characters"),
    *("columns", "radius", "flips"),
)
_NEAR = 1e-9


class Column(NamedTuple):
    """A number per input, NaN where the finding does not count it.

    Parameters
    ----------
    name : str
        How it was made; two results are compared by columns of one name.
    values : ndarray
        (n,) float64.
    share : bool
        Whether all numbers are 0 or 1, and say whether something holds.
    """

    name: str
    values: Floats
    share: bool


def column_of(side: Loaded, finding: Finding, check: str) -> Column | None:
    """Return the numbers whose mean is the finding, or None where the records do not hold them.

    Parameters
    ----------
    side : Loaded
        A result with its records.
    finding : Finding
        One of its findings, with a value.
    check : str
        Whose it is.
    """
    columns = side.of(check)
    if not columns or finding.value is None:
        return None
    for where, rows in _rows(side, finding):
        for name, values in _candidates(columns, finding):
            counted = np.where(rows, values, np.nan)
            known = counted[~np.isnan(counted)]
            if len(known) == finding.n and abs(known.mean() - finding.value) <= _NEAR * max(
                1.0, abs(finding.value)
            ):
                share = " - " not in name and bool(np.isin(known, (0, 1)).all())
                return Column(f"{where}:{name}", counted, share)
    return None


def _rows(side: Loaded, finding: Finding) -> Iterator[tuple[str, Bools]]:
    """Yield which inputs belong to the finding's slice, (n,)."""
    n = len(side.ids)
    if finding.slice == "all":
        yield "all", np.ones(n, dtype=np.bool_)
    elif finding.slice.startswith("class=") and finding.metric == "recall":
        yield finding.slice, side.columns["label"] == finding.slice.removeprefix("class=")
    for name, column in side.columns.items():
        start = f"{name.removeprefix('slice/')}="
        if name.startswith("slice/") and finding.slice.startswith(start):
            yield finding.slice, column == finding.slice.removeprefix(start)


def _candidates(columns: Columns, finding: Finding) -> Iterator[tuple[str, Floats]]:
    """Yield columns that the finding may be the mean of, with their names."""
    swept = _swept(finding)
    said = [str(value) for value in swept.values()]
    for name in (finding.metric, "/".join([finding.metric, *said]), "-".join(said), *said):
        if name and name in columns and columns[name].dtype.kind in "bif":
            yield name, columns[name].astype(np.float64)
    if finding.metric in ("accuracy", "recall", "clean_accuracy") and not swept:
        yield from _numbers(columns, "correct")
    if finding.metric == "overconfidence" and {"confidence", "correct"} <= set(columns):
        yield "confidence - correct", columns["confidence"] - columns["correct"].astype(np.float64)
    if finding.metric.endswith("robust_accuracy"):
        yield from _held(columns, swept)
    if finding.metric in ("accuracy_drop", "corruption_error", "mean_corruption_error"):
        yield from _damaged(columns, finding.metric, said)


def _held(columns: Columns, swept: Mapping[str, Scalar]) -> Iterator[tuple[str, Floats]]:
    """Yield whether each input held against a budget."""
    budgets = [float(one) for one in swept.values() if isinstance(one, int | float)]
    for name in _FLIPS:
        if name in columns and columns[name].dtype.kind in "if":
            for budget in budgets or [0.0]:
                held = np.where(np.isnan(columns[name]), np.nan, columns[name] > budget)
                yield f"{name} > {budget:g}", held


def _damaged(columns: Columns, metric: str, said: list[str]) -> Iterator[tuple[str, Floats]]:
    """Yield how wrong each input is when it is corrupted."""
    if metric == "accuracy_drop":
        if "correct" in columns and "-".join(said) in columns:
            lost = columns["correct"].astype(np.float64) - columns["-".join(said)]
            yield f"correct - {'-'.join(said)}", lost
            yield f"{'-'.join(said)} - correct", -lost
        return
    kinds = [one for one in columns if one.rpartition("-")[2].isdigit()]
    chosen = [one for one in kinds if not said or one.rpartition("-")[0] == said[0]]
    if chosen:
        yield metric, 1 - np.mean([columns[one] for one in chosen], axis=0)


def _numbers(columns: Columns, name: str) -> Iterator[tuple[str, Floats]]:
    if name in columns and columns[name].dtype.kind in "bif":
        yield name, columns[name].astype(np.float64)


def _swept(finding: Finding) -> dict[str, Scalar]:
    """Return the parameters that the finding's id names."""
    parts = finding.id.split("/")
    names = [pair.split("=", 1)[0] for pair in parts[3].split(",")] if len(parts) == 4 else []
    return {name: finding.params[name] for name in names if name in finding.params}

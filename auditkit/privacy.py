"""Small cells: groups of few people are pooled before, and numbers about few withheld after."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from auditkit.data.dataset import Dataset
from auditkit.findings import Bar, Bars, Evidence, Finding, Outcome, Table
from auditkit.types import Scalar

POOLED = "(small groups)"


def coarsened(data: Dataset, least: int | None) -> Dataset:
    """Return the same inputs in groups of at least `least`.

    The small groups of a column become one. Where they are still too few together, the next larger
    group joins them: else the size of a single small group would follow from all others'.

    Parameters
    ----------
    data : Dataset
        What was loaded and sampled.
    least : int, optional
        Inputs; None changes nothing.
    """
    if least is None:
        return data
    columns = {str(name): _pooled(column, least) for name, column in data.attributes.items()}
    changed = [name for name, column in columns.items() if (column == POOLED).any()]
    said = f" in the columns {', '.join(changed)}" if changed else ": there are none"
    note = (
        f"Groups with fewer than {least} inputs are pooled as {POOLED!r}{said}; numbers about fewer"
        f" than {least} inputs of a group are withheld (--min-cell)."
    )
    return replace(
        data,
        attributes=pd.DataFrame(columns, index=data.attributes.index),
        notes=(*data.notes, note),
        min_cell=least,
    )


def _pooled(column: pd.Series, least: int) -> pd.Series:
    groups = column.astype(object).where(column.notna(), "(missing)").astype(str)
    sizes = groups.value_counts().sort_index().sort_values(kind="stable")
    small = int((sizes < least).sum())
    while 0 < small < len(sizes) and sizes.iloc[:small].sum() < least:
        small += 1
    return groups.where(~groups.isin(sizes.index[:small]), POOLED)


def names_a_group(column: str, data: Dataset) -> bool:
    """Return whether a recorded column is about groups and may not be kept.

    Checks name such columns after what divides the inputs: `group/scores/sex=Female` guesses who
    belongs to a group, input by input, and `shuffled/sex` repeats the sizes of all groups.

    Parameters
    ----------
    column : str
        A quantity of a check's records.
    data : Dataset
        What was audited; where no cells are suppressed, every column may be kept.
    """
    if not data.min_cell:
        return False
    return "=" in column or any(
        column == str(name) or column.endswith(f"/{name}") for name in data.attributes.columns
    )


def suppressed(outcome: Outcome, least: int | None) -> Outcome:
    """Return an outcome without numbers about fewer than `least` inputs of a slice.

    What such a number was becomes undefined, in findings and in the rows and bars of evidence that
    say their n; a limit on it is then incomplete.
    """
    if least is None:
        return outcome
    return outcome.model_copy(
        update={
            "findings": [_finding(one, least) for one in outcome.findings],
            "evidence": {key: _evidence(one, least) for key, one in outcome.evidence.items()},
        }
    )


def _finding(one: Finding, least: int) -> Finding:
    if one.slice == "all" or one.n >= least:
        return one
    return one.model_copy(
        update={
            "value": None,
            "low": None,
            "high": None,
            "n": 0,
            "interval": "none",
            "undefined": f"withheld: fewer than {least} inputs (--min-cell)",
        }
    )


def _evidence(item: Evidence, least: int) -> Evidence:
    if isinstance(item, Bars):
        return item.model_copy(update={"bars": [_bar(one, least) for one in item.bars]})
    if isinstance(item, Table) and "n" in item.columns:
        place = item.columns.index("n")
        rows = [_blank(row) if _is_small(row[place], least) else row for row in item.rows]
        if rows != item.rows:
            title = f"{item.title}; numbers of fewer than {least} inputs are withheld"
            return item.model_copy(update={"rows": rows, "title": title})
    return item


def _bar(one: Bar, least: int) -> Bar:
    return Bar(label=one.label, value=None) if _is_small(one.n, least) else one


def _is_small(n: Scalar, least: int) -> bool:
    return isinstance(n, int) and n < least


def _blank(row: list[Scalar]) -> list[Scalar]:
    return [one if isinstance(one, str) else None for one in row]

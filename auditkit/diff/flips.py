"""Which inputs are right in one result alone, and where they gather."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditkit.diff.report import Flip, FlipGroup, Flips
from auditkit.diff.sides import Loaded
from auditkit.findings import ImageExhibit, ImageRow, Picture, TextExhibit, TextRow, Token
from auditkit.result import Result
from auditkit.statistics import holm_adjusted, mcnemar_p, paired_difference
from auditkit.types import Bools, Strings

AT_MOST = 200  # listed of each kind
PICTURES = 12  # shown of each kind
_FIRST = "clean-accuracy"  # whose records are read where it ran


def flips_of(
    before: Loaded, after: Loaded, *, minimum_n: int, level: float, checks: Iterable[str]
) -> Flips | None:
    """Return the inputs whose correctness changed, or None where the records do not tell.

    Parameters
    ----------
    before, after : Loaded
        Results on the same data, with records.
    minimum_n : int
        Groups with fewer inputs are listed without a p-value.
    level : float
        Of the intervals.
    checks : iterable of str
        Those whose records may be read.
    """
    check = _check_of(before, after, checks)
    if check is None:
        return None
    orders = np.argsort(before.ids), np.argsort(after.ids)
    old, new = (
        side.columns[f"{check}/correct"][order].astype(np.bool_)
        for side, order in zip((before, after), orders, strict=True)
    )
    answers = _answers(before, check, orders[0]), _answers(after, check, orders[1])
    lost, gained = old & ~new, ~old & new
    changed = None if answers[0] is None or answers[1] is None else answers[0] != answers[1]
    labels = before.columns["label"][orders[0]]
    shown = [
        Flip(
            id=str(before.ids[orders[0]][i]),
            label=str(labels[i]),
            before="" if answers[0] is None else str(answers[0][i]),
            after="" if answers[1] is None else str(answers[1][i]),
            lost=bool(lost[i]),
        )
        for rows in (lost, gained)
        for i in np.flatnonzero(rows)[:AT_MOST].tolist()
    ]
    least = _min_cell(before.result, after.result)
    columns = [("class", labels)]
    columns += [
        (name.removeprefix("slice/"), before.columns[name][orders[0]])
        for name in before.columns
        if name.startswith("slice/")
    ]
    groups = [
        one
        for name, column in columns
        for one in _groups(name, column, old, new, minimum_n=minimum_n, level=level)
        if one.n >= least
    ]
    return Flips(
        check=check,
        n=len(old),
        lost=int(lost.sum()),
        gained=int(gained.sum()),
        changed=None if changed is None else int(changed.sum()),
        groups=_corrected(groups),
        listed=_illustrated(shown, before.result, after.result),
        at_most=AT_MOST,
    )


def _check_of(before: Loaded, after: Loaded, checks: Iterable[str]) -> str | None:
    known = [
        one
        for one in checks
        if all(_of_every_input(side.columns.get(f"{one}/correct")) for side in (before, after))
    ]
    return _FIRST if _FIRST in known else next(iter(known), None)


def _of_every_input(column: NDArray[Any] | None) -> bool:
    """Whether a check recorded something, and of all inputs."""
    return column is not None and not np.isnan(column).any()


def _answers(side: Loaded, check: str, order: NDArray[Any]) -> Strings | None:
    """Return the predicted class of every input by name, (n,)."""
    for name in (f"{check}/predicted", f"{_FIRST}/predicted", "group-gap/predicted"):
        if _of_every_input(side.columns.get(name)):
            classes = np.array(side.result.model.classes)
            codes = side.columns[name][order].astype(np.int64)
            if len(codes) and codes.min() >= 0 and codes.max() < len(classes):
                return classes[codes]
    return None


def _groups(
    column: str, values: Strings, old: Bools, new: Bools, *, minimum_n: int, level: float
) -> Iterator[FlipGroup]:
    for group in np.unique(values):
        rows = values == group
        was, now = old[rows], new[rows]
        lost, gained = int((was & ~now).sum()), int((~was & now).sum())
        _, interval = paired_difference(now, was, level=level)
        yield FlipGroup(
            column=column,
            group=str(group),
            n=len(was),
            lost=lost,
            gained=gained,
            before=float(was.mean()),
            after=float(now.mean()),
            low=interval.low,
            high=interval.high,
            p=mcnemar_p(lost, gained),
            small=len(was) < minimum_n,
        )


def _corrected(groups: list[FlipGroup]) -> list[FlipGroup]:
    tested = [one for one in groups if not one.small]
    adjusted = dict(zip(map(id, tested), holm_adjusted([one.p for one in tested]), strict=True))
    return [one.model_copy(update={"p_holm": adjusted.get(id(one))}) for one in groups]


def _min_cell(*results: Result) -> int:
    cells = [one.provenance.policy.get("min_cell") for one in results]
    return max([one for one in cells if isinstance(one, int)], default=0)


# --- pictures ------------------------------------------------------------------------------------


def _illustrated(flips: list[Flip], before: Result, after: Result) -> list[Flip]:
    """Put to the first flips of each kind what a gallery of either result shows of the input."""
    rows = {**_rows(after), **_rows(before)}
    left = {True: PICTURES, False: PICTURES}
    shown: list[Flip] = []
    for one in flips:
        row = rows.get(one.id)
        if row is not None and left[one.lost] > 0:
            left[one.lost] -= 1
            one = one.model_copy(update={"exhibit": row})  # noqa: PLW2901
        shown.append(one)
    return shown


def _rows(result: Result) -> dict[str, ImageRow | TextRow]:
    """Return the inputs, unchanged, that galleries show, by id."""
    found: dict[str, ImageRow | TextRow] = {}
    for outcome in result.outcomes:
        for item in outcome.evidence.values():
            if isinstance(item, ImageExhibit):
                for row in item.rows:
                    panels = [one for one in row.panels if isinstance(one, Picture)]
                    if panels and panels[0].label in ("input", "clean", "original"):
                        clean = panels[0].model_copy(update={"label": "input"})
                        found.setdefault(row.id, ImageRow(id=row.id, caption="", panels=[clean]))
            elif isinstance(item, TextExhibit) and outcome.check == _FIRST:
                for row in item.rows:
                    plain = [Token(text=one.text) for one in row.tokens]
                    found.setdefault(row.id, TextRow(id=row.id, caption="", tokens=plain))
    return found

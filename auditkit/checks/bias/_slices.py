"""Slices of a sample: the values of its columns, and the search for where errors gather."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from auditkit.checks.groups import groups_of
from auditkit.data.dataset import Dataset
from auditkit.data.schema import MISSING, Feature
from auditkit.types import Bools, Floats, Ints

FEW_VALUES = 8  # numbers with at most so many different values are groups as they are
_QUARTERS = (0.25, 0.5, 0.75)
_PIECE = 512  # pairs of values that are combined with all others at a time


class Coded(NamedTuple):
    """A column as groups."""

    name: str
    codes: Ints  # (n,)
    groups: tuple[str, ...]
    binned: bool = False


class Item(NamedTuple):
    """One value of one column."""

    column: int
    group: int


class Slice(NamedTuple):
    """Inputs that have some values at once."""

    items: tuple[int, ...]  # positions among the items
    surprise: float  # z of its error rate, less the largest that luck would give


class Searched(NamedTuple):
    """What the search looked at and found."""

    items: tuple[Item, ...]
    found: tuple[Slice, ...]  # the most surprising first
    looked_at: tuple[int, ...]  # slices of one column, of two, of three


# --- columns -------------------------------------------------------------------------------------


def columns_of(data: Dataset, searched: Bools) -> list[Coded]:
    """Return the columns of the data, and of a table those that the model reads.

    Parameters
    ----------
    data : Dataset
        n inputs.
    searched : ndarray
        (n,) the inputs whose quartiles bin numbers.
    """
    found: list[Coded] = []
    for name in map(str, data.attributes.columns):
        numbers = _numbers(data.attributes[name].tolist())
        if numbers is not None and len(np.unique(numbers[np.isfinite(numbers)])) > FEW_VALUES:
            found.append(binned(name, numbers, searched))
        else:
            found.append(Coded(name, *groups_of(name, data)))
    taken = {one.name for one in found}
    if data.schema is not None:
        rows = data.read(slice(None))
        assert not isinstance(rows, list)
        found += [
            feature_column(feature, rows[:, j].astype(np.float64), searched)
            for j, feature in enumerate(data.schema.features)
            if feature.name not in taken
        ]
    return [one for one in found if len(np.unique(one.codes)) > 1]


def _numbers(values: Sequence[object]) -> Floats | None:
    """Return values as numbers (n,), missing ones as NaN; None where one is no number."""
    try:
        return np.array(
            [math.nan if one is None or one != one else float(str(one)) for one in values]
        )
    except ValueError:
        return None


def feature_column(feature: Feature, values: Floats, searched: Bools) -> Coded:
    """Return a column of a table (n,): its categories, or its numbers in bins."""
    known = values[np.isfinite(values)]
    if feature.kind == "numeric" and len(np.unique(known)) > FEW_VALUES:
        return binned(feature.name, values, searched)
    codes, distinct = pd.factorize(values, sort=True, use_na_sentinel=False)
    return Coded(feature.name, codes, tuple(feature.in_words(float(one)) for one in distinct))


def binned(name: str, values: Floats, searched: Bools) -> Coded:
    """Return numbers (n,) in bins between the quartiles of the searched half.

    A bin holds its lower end. Where a quarter or more share the smallest number there are fewer
    bins; a missing number has a bin of its own.

    Examples
    --------
    >>> one = binned("age", np.arange(20.0, 28.0), np.ones(8, dtype=bool))
    >>> one.groups
    ('below 21.75', '21.75 to below 23.5', '23.5 to below 25.25', '25.25 and more')
    """
    known = values[searched & np.isfinite(values)]
    cuts: Floats = np.empty(0)
    if len(known):
        cuts = np.unique(np.quantile(known, _QUARTERS))
        cuts = cuts[cuts > known.min()]
        above = known[known > known.min()]
        if len(cuts) == 0 and len(above):  # most are alike, and the others are larger
            cuts = above.min(keepdims=True)
    codes = np.searchsorted(cuts, values, side="right")
    groups = _bin_names(cuts)
    missing = ~np.isfinite(values)
    codes = np.where(missing, len(groups), codes)
    return Coded(name, codes, (*groups, MISSING) if missing.any() else groups, binned=True)


def _bin_names(cuts: Floats) -> tuple[str, ...]:
    if len(cuts) == 0:
        return ("all",)
    ends = [f"{cut:.6g}" for cut in cuts.tolist()]
    between = [f"{low} to below {high}" for low, high in pairwise(ends)]
    return (f"below {ends[0]}", *between, f"{ends[-1]} and more")


# --- the search ----------------------------------------------------------------------------------


def search(
    columns: Sequence[Coded], wrong: Bools, *, least: int, depth: int, most: int
) -> Searched:
    """Return the slices with the most surprising error rates, worse than the rest.

    All combinations of values of up to `depth` columns with at least `least` inputs inside and
    outside are looked at. They are ranked by the z of the difference in error rate, less the
    largest z that luck alone would give among as many slices of as many columns, so that a
    combination has to earn its further column. After the first a slice must surprise twice, against
    the rest and beyond what the slices already found explain, so that parts of one bad slice do not
    fill the list; and it must surprise more than luck would.

    Parameters
    ----------
    columns : sequence of Coded
        Columns of the searched inputs (n,).
    wrong : ndarray
        (n,) whether each is answered wrongly.
    least : int
        Fewest inputs of a slice.
    depth : int
        Columns at once, 1 to 3.
    most : int
        Slices to return.
    """
    items, members = _items(columns, least)
    if not items:
        return Searched((), (), ())
    column = np.array([one.column for one in items])
    found: list[Slice] = []
    looked_at: tuple[int, ...] = ()
    cell = np.zeros(len(wrong), dtype=np.int64)  # which of the slices found an input belongs to
    for _ in range(most):
        expected = (np.bincount(cell, wrong) / np.bincount(cell))[cell]
        weights = [np.ones(len(wrong)), wrong - wrong.mean(), wrong - expected]
        variance = expected * (1 - expected)
        levels = list(
            _levels(members, np.stack([*weights, variance], axis=1), column, least, depth)
        )
        looked_at = tuple(len(rows) for rows, _ in levels)
        best = _best(levels)
        if best is None or (found and best.surprise <= 0):
            break
        found.append(best)
        inside_it = np.all(members[:, best.items], axis=1)
        _, cell = np.unique(2 * cell + inside_it, return_inverse=True)
    return Searched(tuple(items), tuple(found), looked_at)


def _items(columns: Sequence[Coded], least: int) -> tuple[list[Item], Bools]:
    """Return the values that enough inputs have, and which inputs have them (n, m)."""
    items: list[Item] = []
    members: list[Bools] = []
    for c, column in enumerate(columns):
        counts = np.bincount(column.codes, minlength=len(column.groups))
        for g in np.flatnonzero((counts >= least) & (counts <= len(column.codes) - least)).tolist():
            items.append(Item(c, g))
            members.append(column.codes == g)
    return items, np.stack(members, axis=1) if members else np.empty((0, 0), dtype=np.bool_)


def _best(levels: Sequence[tuple[Ints, Floats]]) -> Slice | None:
    """Return the slice that surprises most, the one of fewer columns among equals."""
    best: Slice | None = None
    for rows, z in levels:
        if len(rows) == 0 or z.max() <= 0:
            continue
        surprise = float(z.max()) - math.sqrt(2 * math.log(max(len(rows), 2)))
        if best is None or surprise > best.surprise:
            best = Slice(tuple(rows[z.argmax()].tolist()), surprise)
    return best


def _levels(
    members: Bools, weights: Floats, column: Ints, least: int, depth: int
) -> Iterator[tuple[Ints, Floats]]:
    """Yield per number of columns the slices (s, columns) and the z of each.

    Parameters
    ----------
    members : ndarray
        (n, m) which inputs have which values.
    weights : ndarray
        (n, 4) what is summed over a slice: ones, errors less their mean, errors less those expected
        of the slices already found, and the variance of these.
    column : ndarray
        (m,) column of each value, ascending.
    """
    n, m = members.shape
    variance = float((weights[:, 1] ** 2).mean())  # of errors: share times one less share
    inside = members.astype(np.float32)  # counts below 2^24 are exact
    q = weights.shape[1]
    weighted = inside[:, None, :] * weights.astype(np.float32)[:, :, None]  # (n, 4, m)
    weighted = weighted.reshape(n, q * m)
    rows, z = _large(
        np.arange(m)[:, None], weighted.sum(axis=0).reshape(q, m).T, n, least, variance
    )
    yield rows, z
    for _ in range(1, depth):
        longer: list[Ints] = [np.empty((0, rows.shape[1] + 1), dtype=np.int64)]
        scores: list[Floats] = [np.empty(0)]
        for start in range(0, len(rows), _PIECE):
            some = rows[start : start + _PIECE]
            joint = np.prod(inside[:, some], axis=2, dtype=np.float32)  # (n, slices)
            sums = (joint.T @ weighted).reshape(len(some), q, m)
            first, last = np.nonzero(
                (column[some].max(axis=1)[:, None] < column[None, :]) & (sums[:, 0] >= least)
            )
            longest = np.concatenate([some[first], last[:, None]], axis=1)
            kept, score = _large(longest, sums[first, :, last], n, least, variance)
            longer.append(kept)
            scores.append(score)
        rows, z = np.concatenate(longer), np.concatenate(scores)
        yield rows, z


def _large(rows: Ints, sums: Floats, n: int, least: int, variance: float) -> tuple[Ints, Floats]:
    """Return the slices (s, columns) with enough inputs inside and outside, and their z (s,).

    `sums` (s, 4) are those of the weights, `variance` that of an error under one common share.
    """
    enough = (sums[:, 0] >= least) & (sums[:, 0] <= n - least)
    rows, sums = rows[enough], sums[enough].astype(np.float64)
    outside = 1 - sums[:, 0] / n  # as in the usual z of two shares
    against_the_rest = _z(sums[:, 1], sums[:, 0] * variance * outside)
    beyond_the_found = _z(sums[:, 2], sums[:, 3] * outside)
    z = np.minimum(against_the_rest, beyond_the_found)
    return rows, np.round(z, 4)  # so that equals are equal on every machine


def _z(sums: Floats, variance: Floats) -> Floats:
    return np.where(variance > 1e-6, sums / np.sqrt(np.maximum(variance, 1e-6)), 0.0)


def inside(found: Slice, searched: Searched, columns: Sequence[Coded]) -> Bools:
    """Return which inputs (n,) of columns, those of any half, belong to a slice."""
    which = [searched.items[i] for i in found.items]
    return np.all([columns[one.column].codes == one.group for one in which], axis=0)


def name_of(found: Slice, searched: Searched, columns: Sequence[Coded]) -> str:
    """Return a slice in words."""
    which = [searched.items[i] for i in found.items]
    return " & ".join(
        f"{columns[one.column].name}={columns[one.column].groups[one.group]}" for one in which
    )

"""What data say of groups before any model is involved: sizes, labels, gaps, possible proxies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from auditkit.data.columns import MISSING
from auditkit.data.dataset import Dataset
from auditkit.data.load import DataSpec
from auditkit.description.read import read_sample
from auditkit.findings import Frozen
from auditkit.privacy import coarsened
from auditkit.randomness import generator, key_of
from auditkit.statistics import (
    LEVEL,
    benjamini_hochberg,
    clopper_pearson,
    gap_of_shares,
    gap_p,
)
from auditkit.types import Floats, Ints

SMALL = 20  # inputs below which rates are mostly noise
PERMUTATIONS = 500
_VALUES = 50  # a feature of more texts is cut to the most common ones
_BINS = 10  # of a feature of numbers


class Rate(Frozen):
    """The share of a group that has a label; without numbers where those are withheld."""

    label: str
    count: int | None
    share: float | None
    low: float | None
    high: float | None


class Group(Frozen):
    """One group of a column."""

    name: str
    n: int
    share: float  # of all inputs
    missing: bool  # the inputs without a value
    rates: list[Rate]


class Gap(Frozen):
    """How far the groups lie apart in how often they have a label."""

    label: str
    value: float
    low: float
    high: float
    p: float  # a permutation test of "no gap"
    adjusted_p: float  # over all gaps of this description (Benjamini-Hochberg)
    highest: str
    lowest: str


class Cell(Frozen):
    """A group and label that few inputs have in common."""

    group: str
    label: str
    count: int | None  # withheld under --min-cell


class Column(Frozen):
    """A column that divides the inputs into groups."""

    name: str
    sensitive: bool
    derived: bool  # computed from the inputs themselves
    groups: list[Group]
    gaps: list[Gap]
    small_cells: list[Cell]


class Possible(Frozen):
    """How much a feature tells about a sensitive column."""

    column: str
    feature: str
    strength: float  # Cramer's V: 0 nothing, 1 everything
    by_chance: float  # what the column shuffled shows in 95 of 100 cases at most
    p: float
    adjusted_p: float


class Description(Frozen):
    """Data, group by group."""

    name: str
    split: str
    n: int
    labels: dict[str, int]
    columns: list[Column]
    proxies: list[Possible]
    small: int  # cells with fewer inputs are called small
    min_cell: int | None
    level: float
    notes: list[str]


def describe(
    spec: DataSpec, *, min_cell: int | None = None, seed: int = 0, level: float = LEVEL
) -> Description:
    """Describe the groups of data that no model has seen.

    Parameters
    ----------
    spec : DataSpec
        Which data; sensitive columns are those looked for in others.
    min_cell : int, optional
        Privacy: small groups are pooled, and nothing is said about fewer inputs.
    seed : int
        Of the permutations.
    level : float
        Of every interval.

    Raises
    ------
    DataError
        If the data cannot be read.
    """
    sample = read_sample(spec, min_cell=min_cell)
    data = coarsened(sample.data, min_cell)
    names = data.sensitive or tuple(map(str, data.attributes.columns))
    counts = {name: _cells(data, name) for name in names}
    columns = [_column(data, name, *counts[name], seed, level) for name in names]
    notes = list(data.notes)
    if not data.sensitive:
        notes.append(
            "No column is marked sensitive, so every column that makes groups is shown, and no"
            " proxies are looked for: name one with --sensitive."
        )
    elif not len(sample.features.columns):
        notes.append("The inputs have no columns of their own in which a proxy could be seen.")
    totals = np.bincount(data.labels, minlength=len(data.classes)).tolist()
    return Description(
        name=data.name,
        split=data.split,
        n=len(data),
        labels=dict(zip(data.classes, totals, strict=True)),
        columns=_adjusted(columns),
        proxies=_proxies(data, sample.features, seed) if data.sensitive else [],
        small=max(SMALL, min_cell or 0),
        min_cell=min_cell,
        level=level,
        notes=notes,
    )


def _cells(data: Dataset, name: str) -> tuple[list[str], Ints]:
    """Return the groups of a column and their inputs per label (g, k)."""
    codes, groups = pd.factorize(data.attributes[name].astype(str).to_numpy(object), sort=True)
    k = len(data.classes)
    flat = np.bincount(codes * k + data.labels, minlength=len(groups) * k)
    return [str(one) for one in groups], flat.reshape(-1, k)


def withheld(cells: Ints, least: int) -> Ints:
    """Return the groups (rows) of which no label may be counted, so that no small cell can be told.

    A group with a cell of fewer than `least` inputs, but not none, and where it would be the only
    one, and so follow from all others', the next smallest too.

    Parameters
    ----------
    cells : ndarray
        (g, k) inputs of every group and label.
    least : int
        Inputs.
    """
    hidden = np.count_nonzero((cells > 0) & (cells < least), axis=1) > 0
    if np.count_nonzero(hidden) == 1 and len(cells) > 1:
        sizes = np.where(hidden, np.iinfo(np.int64).max, cells.sum(axis=1))
        hidden[int(np.argmin(sizes))] = True
    return np.flatnonzero(hidden)


def _column(
    data: Dataset, name: str, groups: list[str], cells: Ints, seed: int, level: float
) -> Column:
    hidden = set(withheld(cells, data.min_cell).tolist())
    small = max(SMALL, data.min_cell)
    asked = [1] if len(data.classes) == 2 else list(range(len(data.classes)))
    few = [
        Cell(
            group=groups[g], label=data.classes[c], count=None if g in hidden else int(cells[g, c])
        )
        for g, c in np.argwhere(cells < small).tolist()
        if not (data.min_cell and cells[g, c] > 0 and g not in hidden)
    ]
    enough = np.array(
        [g for g in range(len(groups)) if g not in hidden and cells[g].sum() >= SMALL]
    )
    return Column(
        name=name,
        sensitive=name in data.sensitive,
        derived=name in data.derived,
        groups=[
            Group(
                name=group,
                n=int(cells[g].sum()),
                share=float(cells[g].sum() / len(data)),
                missing=group == MISSING,
                rates=[_rate(data.classes[c], cells[g], c, g in hidden, level) for c in asked],
            )
            for g, group in enumerate(groups)
        ],
        gaps=[
            _gap(name, groups, cells, c, enough, data, seed, level)
            for c in asked
            if len(enough) > 1
        ],
        small_cells=few,
    )


def _rate(label: str, cells: Ints, c: int, hidden: bool, level: float) -> Rate:
    if hidden:
        return Rate(label=label, count=None, share=None, low=None, high=None)
    count, n = int(cells[c]), int(cells.sum())
    low, high = clopper_pearson(count, n, level=level)
    return Rate(label=label, count=count, share=count / n, low=low, high=high)


def _gap(
    name: str, groups: list[str], cells: Ints, c: int, enough: Ints, data: Dataset, seed: int,
    level: float,
) -> Gap:  # fmt: skip
    hits, totals = cells[enough, c], cells[enough].sum(axis=1)
    shares = hits / totals
    low, high = gap_of_shares(hits, totals, level=level)
    p = gap_p(hits, totals, seed=key_of(seed, "describe", name, c))
    return Gap(
        label=data.classes[c],
        value=float(np.ptp(shares)),
        low=low,
        high=high,
        p=p,
        adjusted_p=p,
        highest=groups[enough[int(shares.argmax())]],
        lowest=groups[enough[int(shares.argmin())]],
    )


def _adjusted(columns: Sequence[Column]) -> list[Column]:
    """Return the columns with p-values that allow for how many gaps were tested."""
    left = iter(benjamini_hochberg([gap.p for one in columns for gap in one.gaps]))
    return [
        one.model_copy(
            update={"gaps": [gap.model_copy(update={"adjusted_p": next(left)}) for gap in one.gaps]}
        )
        for one in columns
    ]


# --- proxies -------------------------------------------------------------------------------------


def _proxies(data: Dataset, features: pd.DataFrame, seed: int) -> list[Possible]:
    """Return what every feature tells about every sensitive column, the most first."""
    coded = {str(name): values_of(column) for name, column in features.items()}
    coded = {name: codes for name, codes in coded.items() if codes.max(initial=0) > 0}
    found: list[Possible] = []
    for name in data.sensitive:
        codes = pd.factorize(data.attributes[name].astype(str).to_numpy(object), sort=True)[0]
        if codes.max(initial=0) == 0 or not coded:
            continue
        rng = generator(key_of(seed, "describe", "proxies", name))
        observed = np.array([cramers_v(codes, one) for one in coded.values()])
        shuffled = np.array(
            [
                [cramers_v(mixed, one) for one in coded.values()]
                for mixed in (rng.permutation(codes) for _ in range(PERMUTATIONS))
            ]
        )  # (permutations, features)
        p = (1 + (shuffled >= observed - 1e-12).sum(axis=0)) / (1 + PERMUTATIONS)
        usual = np.quantile(shuffled, 0.95, axis=0)
        found += [
            Possible(
                column=name, feature=feature, strength=float(observed[i]),
                by_chance=float(usual[i]), p=float(p[i]), adjusted_p=float(p[i]),
            )
            for i, feature in enumerate(coded)
        ]  # fmt: skip
    adjusted = benjamini_hochberg([one.p for one in found])
    return sorted(
        (one.model_copy(update={"adjusted_p": p}) for one, p in zip(found, adjusted, strict=True)),
        key=lambda one: (-one.strength, one.column, one.feature),
    )


def values_of(column: pd.Series) -> Ints:
    """Return a feature as few values (n,): numbers in ten parts, the most common texts, missing."""
    texts = column.astype(object).where(column.notna(), None)
    there = texts.notna().to_numpy()
    numbers = _numbers(texts.tolist())
    if np.isfinite(numbers[there]).all() and len(np.unique(numbers[there])) > _BINS:
        edges = np.unique(np.quantile(numbers[there], np.linspace(0, 1, _BINS + 1)[1:-1]))
        codes = np.searchsorted(edges, numbers, side="right")
        return pd.factorize(np.where(there, codes, -1), sort=True)[0]
    words = texts.astype(str).where(there, MISSING)
    common = words.value_counts().sort_index().sort_values(ascending=False, kind="stable").index
    kept = words.where(words.isin(common[:_VALUES]), "(others)")
    return pd.factorize(kept.to_numpy(object), sort=True)[0]


def _numbers(values: Sequence[object]) -> Floats:
    """Return numbers (n,), NaN where something is none."""

    def number(value: object) -> float:
        try:
            return float(str(value))
        except ValueError:
            return np.nan

    return np.array([number(value) for value in values])


def cramers_v(first: Ints, second: Ints) -> float:
    """Return Cramer's V of two columns of codes (n,): 0 independent, 1 one decides the other.

    References
    ----------
    Cramer, 1946, Mathematical Methods of Statistics, section 21.9.

    Examples
    --------
    >>> cramers_v(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]))
    1.0
    """
    r, c = int(first.max()) + 1, int(second.max()) + 1
    table = np.bincount(first * c + second, minlength=r * c).reshape(r, c)
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    table, rows, columns = table[rows > 0][:, columns > 0], rows[rows > 0], columns[columns > 0]
    smaller = min(table.shape) - 1
    if smaller == 0:
        return 0.0
    expected = np.outer(rows, columns) / len(first)
    chi2 = float(((table - expected) ** 2 / expected).sum())
    return float(np.sqrt(chi2 / (len(first) * smaller)))

"""What an attacker may make of rows of a table: how far numbers move, which categories can be."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Self, final

import numpy as np
import torch
from torch import Tensor

from auditkit.data.schema import Feature, Schema
from auditkit.randomness import at_step, uniform
from auditkit.types import Bools, Floats, Keys

SLACK = 1e-9  # share of a reach that rounding of float64 may take


@final
@dataclass(frozen=True, kw_only=True)
class Reach:
    """The values that every column of n rows can take.

    A number moves within an interval that holds its own value, a whole number in whole steps. A
    category becomes any other. A missing value stays missing, and nothing becomes missing.

    Parameters
    ----------
    rows : Tensor
        (n, c) float32 raw rows: category numbers, NaN where missing.
    low, high : Tensor
        (n, c) ends of the interval of a number; of anything else, its own value.
    movable : Tensor
        (n, c) bool, whether there is any other value to take.
    mutable : Tensor
        (c,) bool, columns that can move in some row.
    integer : Tensor
        (c,) bool, numbers that are whole.
    categories : Tensor
        (c,) int64, how many categories a column has; 0 for numbers.
    """

    rows: Tensor
    low: Tensor
    high: Tensor
    movable: Tensor
    mutable: Tensor
    integer: Tensor
    categories: Tensor

    @classmethod
    def of(
        cls,
        schema: Schema,
        rows: Tensor,
        *,
        spread: float,
        fixed: Collection[str] = (),
        categories: bool = True,
    ) -> Self:
        """Return what rows can become.

        Parameters
        ----------
        schema : Schema
            Its immutable columns never move; numbers stay within the range of training, or of
            their own value where that lies outside.
        rows : Tensor
            (n, c) raw rows.
        spread : float
            How far a number moves at most, in training standard deviations.
        fixed : collection of str
            Further columns that never move.
        categories : bool
            Whether categories can change.
        """
        ends = [
            _interval(one, rows[:, j].cpu().double().numpy(), spread)
            for j, one in enumerate(schema.features)
        ]
        low, high = (
            torch.from_numpy(np.stack([pair[i] for pair in ends], axis=1)).to(rows) for i in (0, 1)
        )
        held = torch.tensor([one.immutable or one.name in fixed for one in schema.features])
        counts = torch.tensor([len(one.categories) for one in schema.features])
        integer = torch.tensor([one.integer for one in schema.features])
        held, counts, integer = (one.to(rows.device) for one in (held, counts, integer))
        numeric = (low < rows) | (high > rows)  # false where missing
        other = (counts > 1) & ~rows.isnan() if categories else torch.zeros_like(numeric)
        movable = torch.where(counts > 0, other, numeric) & ~held
        free = movable & (counts == 0)
        return cls(
            rows=rows,
            low=torch.where(free, low, rows),
            high=torch.where(free, high, rows),
            movable=movable,
            mutable=~held & ((counts == 0) | (counts > 1) & categories),
            integer=integer,
            categories=counts,
        )

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def numbers(self) -> Tensor:
        """Which cells are numbers that can move (n, c)."""
        return self.movable & (self.categories == 0)

    def at(self, which: Tensor) -> Reach:
        """Return some of the rows, by number or by truth value."""
        return Reach(
            rows=self.rows[which],
            low=self.low[which],
            high=self.high[which],
            movable=self.movable[which],
            mutable=self.mutable,
            integer=self.integer,
            categories=self.categories,
        )

    def nearest(self, points: Tensor, free: Tensor | None = None) -> Tensor:
        """Return points (n, c) with numbers rounded and moved to where they may be.

        Parameters
        ----------
        points : Tensor
            (n, c); cells that are not free numbers are left as they are.
        free : Tensor, optional
            (n, c) bool, the cells to look at.
        """
        whole = torch.where(self.integer, points.round(), points)
        inside = torch.minimum(torch.maximum(whole, self.low), self.high)
        return torch.where(self.numbers if free is None else self.numbers & free, inside, points)

    def drawn(self, keys: Keys, *, corners: bool = False) -> Tensor:
        """Return rows (n, c) whose every movable cell is drawn at random.

        Parameters
        ----------
        keys : ndarray
            (n,) one key per row; the same keys draw the same place within another reach.
        corners : bool
            Whether numbers are drawn among the two ends of their interval.
        """
        draws = torch.from_numpy(uniform(keys, (self.rows.shape[1],))).to(self.rows)
        place = draws.round() if corners else draws
        numbers = self.nearest(self.low + place * (self.high - self.low))
        steps = 1 + (draws * (self.categories - 1)).floor().clamp_max(self.categories - 2)
        other = torch.remainder(self.rows + steps, self.categories.clamp_min(1))
        changed = torch.where(self.categories > 0, other, numbers)
        return torch.where(self.movable, changed, self.rows)

    def drawn_few(self, keys: Keys, count: int) -> Tensor:
        """Return rows (n, c) in which at most `count` cells are drawn at random.

        Of a larger count, the first cells are the same.
        """
        draws = uniform(at_step(keys, 1), (self.rows.shape[1],))
        order = torch.from_numpy(draws).to(self.rows) + 1.0 * ~self.movable
        first = order.argsort(dim=1, stable=True)[:, :count]
        chosen = torch.zeros_like(self.movable).scatter(1, first, value=True)
        return torch.where(chosen, self.drawn(keys), self.rows)


def permitted(
    schema: Schema,
    before: Floats,
    after: Floats,
    *,
    spread: float | Floats,
    fixed: Collection[str] = (),
    categories: bool = True,
) -> Bools:
    """Return which rows (n,) became what they may become, in float64 and from the schema alone.

    Parameters
    ----------
    schema : Schema
        The columns.
    before, after : ndarray
        (n, c) raw rows.
    spread : float or ndarray
        How far a number may move, in training standard deviations; of each row (n,), or of all.
    fixed : collection of str
        Columns that may not move besides the immutable ones.
    categories : bool
        Whether categories may change.
    """
    good = np.ones(len(before), dtype=bool)
    for j, one in enumerate(schema.features):
        old, new = before[:, j].astype(np.float64), after[:, j].astype(np.float64)
        kept = (old == new) | (np.isnan(old) & np.isnan(new))
        if not (one.immutable or one.name in fixed):
            kept |= (
                _category_allowed(one, old, new) & categories
                if one.categories
                else _number_allowed(one, old, new, spread)
            )
        good &= kept
    return good


def changed_cells(before: Floats, after: Floats) -> Bools:
    """Return which cells (n, c) differ; a missing value is like another."""
    return (before != after) & ~(np.isnan(before) & np.isnan(after))


def distances(schema: Schema, before: Floats, after: Floats) -> Floats:
    """Return by how many training standard deviations numbers moved (n, c); categories count 0."""
    spreads = np.array([np.inf if one.categories else one.std for one in schema.features])
    moved = np.abs(after.astype(np.float64) - before.astype(np.float64)) / spreads
    return np.where(changed_cells(before, after), moved, 0.0)


def _category_allowed(feature: Feature, old: Floats, new: Floats) -> Bools:
    known = (new >= 0) & (new < len(feature.categories)) & (new == np.round(new))
    return known & ~np.isnan(old)


def _number_allowed(feature: Feature, old: Floats, new: Floats, spread: float | Floats) -> Bools:
    near = np.abs(new - old) <= spread * feature.std * (1 + SLACK)  # false where missing
    inside = (new >= np.minimum(old, _or(feature.low, -np.inf))) & (
        new <= np.maximum(old, _or(feature.high, np.inf))
    )
    whole = (new == np.round(new)) | (not feature.integer)
    return near & inside & whole


def _interval(feature: Feature, values: Floats, spread: float) -> tuple[Floats, Floats]:
    """Return the ends (n,) of what a number can become, as float32 inside the exact interval."""
    if feature.categories:
        return values.astype(np.float32), values.astype(np.float32)
    reach = spread * feature.std
    low = np.minimum(values, np.maximum(values - reach, _or(feature.low, -np.inf)))
    high = np.maximum(values, np.minimum(values + reach, _or(feature.high, np.inf)))
    if feature.integer:
        allowance = SLACK * reach
        low, high = np.ceil(low - allowance), np.floor(high + allowance)
        nowhere = low > high
        low, high = np.where(nowhere, values, low), np.where(nowhere, values, high)
    return _towards(low, np.inf), _towards(high, -np.inf)


def _towards(ends: Floats, where: float) -> Floats:
    """Return float32 numbers that do not lie outside the ends (n,)."""
    single = ends.astype(np.float32)
    outside = single < ends if where > 0 else single > ends
    return np.where(outside, np.nextafter(single, np.float32(where)), single)


def _or(end: float | None, otherwise: float) -> float:
    return otherwise if end is None else end

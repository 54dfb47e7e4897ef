"""The values that a search tries in each column of a table, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from auditkit.methods.attacks.losses import log_odds_against
from auditkit.methods.attacks.reach import Reach
from auditkit.models.classifier import Logits

MOST = 1024  # values per row, over all columns
GRID = 512  # values of a number that are looked at to find the telling ones
QUERIES = 2**16  # at most about so many, for all columns together
TELLING = 128  # values of a number that are kept


@final
@dataclass(frozen=True)
class Candidates:
    """Changes of single cells: a column and a value each.

    Parameters
    ----------
    column : Tensor
        (m,) int64, the column that each candidate is about, the same for all rows.
    value : Tensor
        (n, m) float32.
    valid : Tensor
        (n, m) bool, false where the cell cannot move, or has the value already.
    """

    column: Tensor
    value: Tensor
    valid: Tensor

    @classmethod
    def of(cls, reach: Reach, *, values: int, telling: Sequence[Tensor] = ()) -> Candidates:
        """Return the values of every column within reach, at most `MOST` in all.

        Of a number, the two ends, then telling values between them, or evenly spaced ones; every
        whole number where there are not more. Of a category, every other one.

        Parameters
        ----------
        reach : Reach
            What the rows can become.
        values : int
            Values per number, at least 2.
        telling : sequence of Tensor
            Per column values (u,) to prefer, see `telling_values`; none for columns without.
        """
        none = reach.rows.new_empty(0)
        found: list[tuple[int, int, Tensor]] = []
        for j in reach.mutable.nonzero()[:, 0].tolist():
            known = telling[j] if telling else none
            tried = (
                _categories(reach, j) if reach.categories[j] else _numbers(reach, j, values, known)
            )
            found += [(i, j, one) for i, one in enumerate(tried.unbind(dim=1))]
        found = sorted(found, key=lambda one: one[:2])[:MOST]  # first values of all columns first
        column = torch.tensor([j for _, j, _ in found], dtype=torch.int64).to(reach.rows.device)
        value = torch.stack([one for _, _, one in found], dim=1) if found else reach.rows[:, :0]
        valid = reach.movable[:, column] & (value != reach.rows[:, column])
        return cls(column, value, valid & ~_repeated(column, value))

    def at(self, which: Tensor) -> Candidates:
        """Return those of some rows."""
        return Candidates(self.column, self.value[which], self.valid[which])


def telling_values(
    logits: Logits,
    rows: Tensor,
    known: Sequence[Tensor],
    reaches: Sequence[float],
    *,
    batch_size: int = 128,
) -> list[Tensor]:
    """Return for every column the values between which a model's answers change most.

    Every number of some rows takes values that it has elsewhere, values within reach of these, and
    evenly spaced ones. Those are kept that cut what the log odds move on the way from the lowest to
    the highest into equal parts: where a model has a threshold, the value just beyond it.

    Parameters
    ----------
    logits : callable
        Maps rows (m, c) to logits (m, k).
    rows : Tensor
        (p, c) a few rows to look at.
    known : sequence of Tensor
        Per column the sorted values (u,) that it has; none for columns to leave out.
    reaches : sequence of float
        Per column how far a value can move.
    batch_size : int
        Rows per forward pass.

    Returns
    -------
    list of Tensor
        Per column sorted values, at most `TELLING`.
    """
    asked = sum(len(one) > 2 for one in known)
    size = min(GRID, max(8, QUERIES // max(1, asked * len(rows))))
    with torch.no_grad():
        answers = logits(rows).argmax(dim=1)
    found: list[Tensor] = []
    for j, values in enumerate(known):
        grid = _grid(values, size, reaches[j])
        if len(grid) > 2:
            grid = _telling(logits, rows, answers, j, grid, batch_size)
        found.append(grid)
    return found


def _grid(values: Tensor, size: int, reach: float) -> Tensor:
    """Return values that there are, values within reach of them, and even ones; sorted."""
    different = values.unique()
    if len(different) <= 2:
        return different
    start = values[_ranks(values, size // 2)]
    near = start + reach * (2 * _spaced(size // 2, start) - 1)
    low, high = different[0], different[-1]
    even = low + (high - low) * torch.linspace(0, 1, size // 4).to(values)
    made = torch.cat([near.clamp(float(low), float(high)), even])
    whole = bool((values == values.round()).all())
    own = different[_ranks(different, size // 4)]
    return torch.cat([own, made.round() if whole else made]).unique()


def _ranks(values: Tensor, count: int) -> Tensor:
    """Return places evenly spread over values (u,)."""
    return torch.linspace(0, len(values) - 1, count).round().long().to(values.device)


def _telling(
    logits: Logits, rows: Tensor, answers: Tensor, j: int, grid: Tensor, batch_size: int
) -> Tensor:
    known = ~rows[:, j].isnan()
    points = rows[known].repeat_interleave(len(grid), dim=0)  # (p g, c)
    points[:, j] = grid.repeat(int(known.sum()))
    own = answers[known].repeat_interleave(len(grid))
    with torch.no_grad():
        odds = [
            log_odds_against(logits(some), mine)
            for some, mine in zip(points.split(batch_size), own.split(batch_size), strict=True)
        ]
    curves = torch.cat(odds).reshape(-1, len(grid)) if odds else grid.new_zeros(1, len(grid))
    way = curves.diff(dim=1).abs().nan_to_num().double().mean(dim=0).cumsum(dim=0)  # (g - 1,)
    if not 0 < float(way[-1]) < float("inf"):
        return grid[_ranks(grid, TELLING).unique()]
    parts = (torch.arange(TELLING, device=way.device) + 0.5) / TELLING * way[-1]
    return grid[1 + torch.searchsorted(way, parts).unique()]


def put(points: Tensor, columns: Tensor, values: Tensor) -> Tensor:
    """Return points (m, c) with one cell of each set to a value (m,)."""
    return points.scatter(1, columns[:, None], values[:, None])


def _categories(reach: Reach, j: int) -> Tensor:
    """Return every other category of a column (n, k - 1)."""
    count = int(reach.categories[j])
    steps = torch.arange(1, count, device=reach.rows.device)
    return torch.remainder(reach.rows[:, j, None] + steps, count)


def _numbers(reach: Reach, j: int, count: int, known: Tensor) -> Tensor:
    """Return values of a number within its interval (n, count); some may stand twice."""
    low, high = reach.low[:, j, None], reach.high[:, j, None]
    places = _spaced(count, low)
    value = low + places * (high - low)  # (n, count)
    if len(known):
        first = torch.searchsorted(known, low.contiguous())  # (n, 1)
        last = torch.searchsorted(known, high.contiguous(), right=True) - 1
        rank = (first + (places * (last - first)).round().long()).clamp(0, len(known) - 1)
        between = torch.arange(count, device=low.device) >= 2
        value = torch.where((last >= first) & between, known[rank], value)
    if reach.integer[j]:
        steps = low + torch.arange(count, device=low.device)
        value = torch.where(high - low < count, torch.minimum(steps, high), value.round())
    return torch.minimum(torch.maximum(value, low), high)


def _spaced(count: int, like: Tensor) -> Tensor:
    """Return 0, 1, 1/2, 1/4, 3/4, 1/8, 5/8, ... (van der Corput's sequence), so many of them."""
    places = [0.0, 1.0]
    for i in range(1, count - 1):
        bits = f"{i:b}"[::-1]
        places.append(int(bits, 2) / 2 ** len(bits))
    return torch.tensor(places[:count], device=like.device, dtype=like.dtype)


def _repeated(column: Tensor, value: Tensor) -> Tensor:
    """Return which values (n, m) stood before in the same column."""
    seen = torch.zeros_like(value, dtype=torch.bool)
    for j in column.unique().tolist():
        (places,) = (column == j).nonzero(as_tuple=True)
        mine = value[:, places]
        ordered, order = mine.sort(dim=1, stable=True)
        again = torch.zeros_like(ordered, dtype=torch.bool)
        again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
        seen[:, places] = torch.zeros_like(again).scatter(1, order, again)
    return seen

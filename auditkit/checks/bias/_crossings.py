"""The intersections of sensitive columns, as columns of their own."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from auditkit.checks.bias._groups import Grouping
from auditkit.data.dataset import Dataset
from auditkit.plurals import count
from auditkit.types import Ints

MOST_INTERSECTIONS = 12
_NEEDS_QUOTES = re.compile(r'(^|\s)x(\s|$)|^"|^\s|\s$')


class Crossings(NamedTuple):
    """What is compared beside the columns themselves, and what is left out, as sentences."""

    groupings: list[Grouping]
    left_out: list[str]


def crossings_of(plain: Sequence[Grouping], data: Dataset, *, most_cells: int) -> Crossings:
    """Return the pairs of sensitive columns that divide the inputs, and all of them together.

    Parameters
    ----------
    plain : sequence of Grouping
        The columns that are compared.
    data : Dataset
        Without two sensitive columns of at least two groups there are none.
    most_cells : int
        Of an intersection with more cells the largest are kept; the others are said.
    """
    usable = [one for one in plain if one.name in data.sensitive and len(one.groups) > 1]
    sets = list(combinations(usable, 2)) + ([tuple(usable)] if len(usable) > 2 else [])
    taken = set(map(str, data.attributes.columns))
    found, left_out = list[Grouping](), list[str]()
    for members in sets[:MOST_INTERSECTIONS]:
        crossed = _Crossed.of(members, taken)
        if crossed.sizes.min() < data.min_cell:
            left_out.append(
                f"{crossed.name} is left out: one of its cells holds fewer than {data.min_cell}"
                " inputs (--min-cell), and how many would follow from its columns."
            )
            continue
        found.append(crossed.largest(most_cells))
        if len(crossed.sizes) > most_cells:
            left_out.append(crossed.beyond(most_cells))
    rest = [joined([one.name for one in members]) for members in sets[MOST_INTERSECTIONS:]]
    if rest:
        left_out.append(f"Not compared, more than {MOST_INTERSECTIONS}: {', '.join(rest)}.")
    return Crossings(found, left_out)


def joined(names: Sequence[str]) -> str:
    """Return names with " x " between them; a name that could be misread stands in quotes.

    Examples
    --------
    >>> joined(["sex", "race"]), joined(["a x b", "c"])
    ('sex x race', '"a x b" x c')
    """
    quoted = [
        json.dumps(name, ensure_ascii=False) if _NEEDS_QUOTES.search(name) else name
        for name in names
    ]
    return " x ".join(quoted)


class _Crossed(NamedTuple):
    """An intersection with all of its cells that hold inputs."""

    name: str
    members: Sequence[Grouping]
    codes: Ints  # (n,) cell of each input
    cells: Ints  # (c, members) groups that meet in each cell
    sizes: Ints  # (c,)

    @classmethod
    def of(cls, members: Sequence[Grouping], taken: set[str]) -> _Crossed:
        name = joined([one.name for one in members])
        while name in taken:  # a column of the data has that very name
            name += " (intersection)"
        codes, cells = _mixed(members)
        return cls(name, members, codes, cells, np.bincount(codes))

    def largest(self, count: int) -> Grouping:
        """Return the largest cells as groups; the inputs of the others have code -1."""
        kept = self._largest(count)
        place = np.full(len(self.sizes), -1)
        place[kept] = np.arange(len(kept))
        names = [_cell(cell, self.members) for cell in self.cells[kept].tolist()]
        return Grouping(self.name, place[self.codes], tuple(names), crossed=True)

    def beyond(self, most: int) -> str:
        """Return what `largest` leaves out."""
        inputs = int(self.sizes.sum() - self.sizes[self._largest(most)].sum())
        return (
            f"Of the {len(self.sizes)} cells of {self.name} the {most} largest are compared"
            f" (most_cells); the others hold {count(inputs, 'input')}."
        )

    def _largest(self, count: int) -> Ints:
        return np.sort(np.argsort(-self.sizes, kind="stable")[:count])


def _mixed(members: Sequence[Grouping]) -> tuple[Ints, Ints]:
    """Return each input's cell (n,), and per cell the groups that meet in it (cells, members)."""
    codes, cells = np.zeros(len(members[0].codes), dtype=np.int64), np.zeros((1, 0), dtype=np.int64)
    for one in members:
        size = len(one.groups)
        found, codes = np.unique(codes * size + one.codes, return_inverse=True)
        cells = np.column_stack([cells[found // size], found % size])
    return codes, cells


def _cell(groups: Sequence[int], members: Sequence[Grouping]) -> str:
    return joined([one.groups[group] for one, group in zip(members, groups, strict=True)])

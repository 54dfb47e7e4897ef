"""The groups of inputs that calibration is looked at in, one by one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from auditkit.checks.groups import groups_of, names_of
from auditkit.data.dataset import Dataset
from auditkit.plurals import count
from auditkit.types import Bools


class Slice(NamedTuple):
    """A group of a column."""

    column: str
    group: str
    members: Bools  # (n,)

    @property
    def name(self) -> str:
        """What the findings call it."""
        return f"{self.column}={self.group}"

    @property
    def n(self) -> int:
        """Its inputs."""
        return int(np.count_nonzero(self.members))


def slices_of(data: Dataset) -> list[Slice]:
    """Return the groups of every sensitive column, or else of every column, that has two."""
    found: list[Slice] = []
    for name in names_of(data):
        codes, groups = groups_of(name, data)
        if len(groups) > 1:
            found += [Slice(name, group, codes == g) for g, group in enumerate(groups)]
    return found


def too_small(n: int, minimum_n: int) -> str:
    """Return why nothing is said of so few inputs."""
    return f"it has {count(n, 'input')}, fewer than {minimum_n} (minimum_n)"

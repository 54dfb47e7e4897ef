"""Two halves of a sample: what is found on one is measured on the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.checks.base import NotApplicable
from auditkit.data.dataset import Dataset
from auditkit.plurals import count
from auditkit.randomness import keys_of
from auditkit.types import Bools, Ints

FEWEST = 20  # inputs, below which a half says next to nothing


def too_few(data: Dataset) -> NotApplicable | None:
    """Return why a sample is too small for two halves."""
    if len(data) >= FEWEST:
        return None
    return NotApplicable(
        f"{count(len(data), 'input')}: too few to search on one half and measure on the other"
    )


def searched_half(artifacts: Artifacts, check: str) -> Bools:
    """Return which inputs of the whole sample a check searches on, the same in every shard (n,)."""
    return half_of(artifacts.data.ids, artifacts.seed, check)


def half_of(ids: Sequence[str], seed: int, check: str) -> Bools:
    """Return which of these inputs a check searches or fits on (n,), drawn by id."""
    keys = keys_of(seed, f"{check}/half", ids)
    which = np.zeros(len(keys), dtype=bool)
    which[np.argsort(keys, kind="stable")[: len(keys) // 2]] = True
    return which


def searched_on(artifacts: Artifacts, check: str, most: int) -> Ints:
    """Return at most so many positions of that half, at random, in the order of the data."""
    (half,) = np.nonzero(searched_half(artifacts, check))
    keys = keys_of(artifacts.seed, f"{check}/some", [artifacts.data.ids[i] for i in half.tolist()])
    return np.sort(half[np.argsort(keys, kind="stable")[:most]])

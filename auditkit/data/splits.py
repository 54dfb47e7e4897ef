"""The three parts of a data set, and how one that has no parts is cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np

from auditkit.errors import DataError, near_miss
from auditkit.randomness import keys_of
from auditkit.types import Ints

Split: TypeAlias = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
Cuts: TypeAlias = Mapping[Split, tuple[float, float]]  # shares at which a part starts and stops
CUTS: Cuts = {"train": (0.0, 0.6), "validation": (0.6, 0.75), "test": (0.75, 1.0)}


def split_of(name: str, split: str) -> Split:
    """Return the split, or raise DataError where it is none of the three."""
    for known in SPLITS:
        if split == known:
            return known
    raise DataError(
        f"{name} has no split {split!r}.{near_miss(split, SPLITS)}",
        hint=f"Use one of {', '.join(SPLITS)}.",
    )


def only_test(name: str, split: str) -> Split:
    """Return "test", or raise DataError where another split of test-only data is asked for."""
    if split_of(name, split) != "test":
        raise DataError(
            f"{name} is for testing alone and has no split {split!r}.",
            hint="Leave --split out.",
        )
    return "test"


def rows_of(
    split: Split, contents: Sequence[str], strata: Ints, *, purpose: str, cuts: Cuts = CUTS
) -> Ints:
    """Return the rows of one part, in order: fixed, and with the same share of every stratum.

    Rows are ranked within their stratum by a hash of their content, and the ranks are cut. Rows of
    one stratum with equal contents share a rank, and so a part.

    Parameters
    ----------
    split : Split
        Which part.
    contents : sequence of str
        n words that stand for what is in a row.
    strata : ndarray
        (n,) numbers; all zero for one stratum.
    purpose : str
        Makes the cuts of two data sets independent.
    cuts : dict
        Shares at which the parts start and stop.
    """
    keys = keys_of(0, purpose, contents)
    low, high = cuts[split]
    chosen: list[Ints] = []
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        ranked, rank = np.unique(keys[members], return_inverse=True)
        start, stop = round(low * len(ranked)), round(high * len(ranked))
        chosen.append(members[(rank >= start) & (rank < stop)])
    return np.sort(np.concatenate(chosen))

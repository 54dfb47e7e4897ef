"""The three parts of an embedded data set."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from auditkit.errors import DataError, near_miss

Split: TypeAlias = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


def split_of(name: str, split: str) -> Split:
    """Return the split, or raise DataError where it is none of the three."""
    for known in SPLITS:
        if split == known:
            return known
    raise DataError(
        f"{name} has no split {split!r}.{near_miss(split, SPLITS)}",
        hint=f"Use one of {', '.join(SPLITS)}.",
    )

"""The groups that the columns of the data divide inputs into."""

from __future__ import annotations

import pandas as pd

from auditkit.checks.base import NotApplicable
from auditkit.data.dataset import Dataset, require_columns
from auditkit.findings import Metric
from auditkit.types import Ints

MISSING = "(missing)"


def names_of(data: Dataset) -> tuple[str, ...]:
    """Return the columns to compare."""
    names = data.sensitive or tuple(map(str, data.attributes.columns))
    require_columns(data.attributes, names, where=data.name)
    return names


def nothing_to_compare(data: Dataset) -> NotApplicable | None:
    """Return why no groups can be compared."""
    names = names_of(data)
    if not names:
        return NotApplicable("the data has no column that divides the inputs into groups")
    if all(data.attributes[name].nunique(dropna=False) < 2 for name in names):
        return NotApplicable(f"all inputs belong to one group ({', '.join(names)})")
    return None


def nothing_sensitive(data: Dataset) -> NotApplicable | None:
    """Return why a check about sensitive columns has nothing to look at."""
    return None if data.sensitive else NotApplicable("no column is marked sensitive (--sensitive)")


def groups_of(name: str, data: Dataset) -> tuple[Ints, tuple[str, ...]]:
    """Return each input's group (n,) in a column, and the names of the groups.

    A missing value is a group of its own.
    """
    groups = data.attributes[name].astype(object)
    groups = groups.where(groups.notna(), MISSING).astype(str)
    codes, names = pd.factorize(groups.to_numpy(dtype=object), sort=True)
    return codes, tuple(map(str, names))


def gap_p_metric(label: str, *, permuted: str = "groups", observed: str = "gap") -> Metric:
    """Return what the p-value of a gap is, in words.

    Parameters
    ----------
    label : str
        What the gap is called.
    permuted, observed : str
        What is dealt out at random, and what is as large by chance.
    """
    return Metric(
        label=f"p-value of the {label}",
        definition=f"(1 + permutations of the {permuted} with at least the observed {observed}) /"
        " (1 + permutations). A large value is not evidence of equal treatment: few inputs give one"
        " too.",
        unit="p",
        better="neither",
    )

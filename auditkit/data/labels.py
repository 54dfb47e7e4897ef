"""From the labels of a user's data to the classes of the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from auditkit.errors import DataError, near_miss
from auditkit.types import Ints

SHOWN = 12  # class names in an error message
UNKNOWN = -1  # the label of every input of data that have no labels; no class has this number


@final
@dataclass(frozen=True)
class Matched:
    """Class numbers (n,), and how they were found where that was not by name."""

    labels: Ints
    notes: tuple[str, ...]


def match_labels(
    values: Sequence[object],
    classes: Sequence[str],
    *,
    where: Callable[[int], str],
    hint: str = "",
) -> Matched:
    """Return the class number of every label.

    Labels that are all class names count by name; else labels that are all whole numbers from 0 to
    k - 1 count as class numbers, and so do those from 1 to k, where both ends occur.

    Parameters
    ----------
    values : sequence
        n labels: strings or numbers.
    classes : sequence of str
        The model's k class names.
    where : callable
        Names the place of label i in messages: "reviews.csv, row 3".
    hint : str
        What to type; by default how to name the model's classes.

    Raises
    ------
    DataError
        If a label is missing or unknown to the model.
    """
    names = [_name(value) for value in values]
    for i, name in enumerate(names):
        if not name:
            raise DataError(f"{where(i)} has no label.", hint="Fill it in, or remove the row.")
    number = {name: i for i, name in enumerate(classes)}
    if all(name in number for name in names):
        return Matched(np.array([number[name] for name in names], dtype=np.int64), ())
    if all(_is_number(name) for name in names):
        return _by_number([int(name) for name in names], classes, where, hint)
    first = next(i for i, name in enumerate(names) if name not in number)
    raise DataError(
        f"{where(first)} has the label {names[first]!r}, which the model does not know; it knows"
        f" {_listed(classes)}.{near_miss(names[first], classes)}",
        hint=hint or "Rename the label, or name the model's classes in logit order with --classes.",
    )


def _by_number(
    numbers: list[int], classes: Sequence[str], where: Callable[[int], str], hint: str
) -> Matched:
    k = len(classes)
    if min(numbers) == 1 and max(numbers) == k:
        moved = _by_number([number - 1 for number in numbers], classes, where, hint)
        note = f"Labels run from 1 to {k}: 1 was taken off, so that they count from 0."
        return Matched(moved.labels, (note, *moved.notes))
    for i, number in enumerate(numbers):
        if not 0 <= number < k:
            raise DataError(
                f"{where(i)} has the label {number}, and the model has {k} classes, numbered 0 to"
                f" {k - 1}: {_listed(classes)}.",
                hint=hint or "Number the labels from 0, or write class names instead of numbers.",
            )
    found = sorted(set(numbers))
    shown = ", ".join(f"{one} is {classes[one]}" for one in found[:SHOWN])
    note = f"Labels are numbers and were taken in the model's order of classes: {shown}."
    return Matched(np.array(numbers, dtype=np.int64), (note,))


def no_labels(n: int) -> Matched:
    """Return that nobody knows the classes of n inputs."""
    note = "There are no labels: how often the model is right is not known."
    return Matched(np.full(n, UNKNOWN, dtype=np.int64), (note,))


def from_rows(rows: NDArray[np.generic], *, where: Callable[[int], str]) -> Ints:
    """Return the class numbers (n,) that one-hot rows (n, k) stand for.

    Raises
    ------
    DataError
        If a row is anything but zeros and a single one.
    """
    values = rows.astype(np.float64)
    fine = ((values == 0) | (values == 1)).all(axis=1) & (values.sum(axis=1) == 1)
    if not fine.all():
        i = int(np.flatnonzero(~fine)[0])
        shown = ", ".join(f"{one:g}" for one in values[i][:SHOWN])
        raise DataError(
            f"{where(i)} is [{shown}], expected one class number, or a single 1 among zeros.",
            hint="Save class numbers: y=labels.argmax(axis=1)",
        )
    return values.argmax(axis=1).astype(np.int64)


def _name(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return str(int(value))
    if isinstance(value, float | np.floating):
        if np.isnan(value):
            return ""
        return str(int(value)) if float(value).is_integer() else str(value)
    return "" if value is None else str(value).strip()


def _is_number(name: str) -> bool:
    return name.removeprefix("-").isdecimal()


def _listed(classes: Sequence[str]) -> str:
    more = f" and {len(classes) - SHOWN} more" if len(classes) > SHOWN else ""
    return ", ".join(map(repr, classes[:SHOWN])) + more

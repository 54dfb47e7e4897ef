"""What the columns of a table mean: names, kinds, categories, and what the training data held."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, TypeAlias, final

import numpy as np
import pandas as pd
from pydantic import ConfigDict

from auditkit.errors import DataError, near_miss
from auditkit.types import Floats

Kind: TypeAlias = Literal["numeric", "categorical"]
MISSING = "(missing)"
SHOWN = 12  # names in an error message
_NO_VALUE = ("", "?", "NA", "NaN", "nan")  # in a cell, unless a category is called so


@final
@dataclass(frozen=True, kw_only=True)
class Feature:
    """One column of a table, and what it held in training.

    Parameters
    ----------
    name : str
        Of the column.
    kind : {"numeric", "categorical"}
        What its values are.
    categories : tuple of str
        Categorical: their names; the value 2 stands for the third of them.
    integer : bool
        Numeric: whether only whole numbers make sense.
    immutable : bool
        Whether who or what the row describes cannot change it, such as an age.
    low, high : float, optional
        Numeric: range in the training data.
    mean, std : float
        Numeric: of the training data.
    missing : bool
        Whether values were missing in the training data.

    Raises
    ------
    DataError
        If a categorical column has no categories, or statistics are impossible.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")  # stands in files

    name: str
    kind: Kind = "numeric"
    categories: tuple[str, ...] = ()
    integer: bool = False
    immutable: bool = False
    low: float | None = None
    high: float | None = None
    mean: float = 0.0
    std: float = 1.0
    missing: bool = False

    def __post_init__(self) -> None:
        if (self.kind == "categorical") != bool(self.categories):
            raise DataError(
                f"The column {self.name!r} is {self.kind} and has {len(self.categories)}"
                " categories; categorical columns have some, numeric ones have none."
            )
        if len(set(self.categories)) < len(self.categories):
            raise DataError(f"The column {self.name!r} names a category twice.")
        numbers = (self.mean, self.std, self.low or 0.0, self.high or 0.0)
        if not all(map(math.isfinite, numbers)) or self.std <= 0:
            raise DataError(
                f"The column {self.name!r} has mean {self.mean}, std {self.std} and range"
                f" {self.low} to {self.high}, expected finite numbers and std > 0."
            )

    def in_words(self, value: float) -> str:
        """Return a value as people write it."""
        if math.isnan(value):
            return MISSING
        if self.kind == "categorical":
            return self.categories[int(value)]
        return str(int(value)) if float(value).is_integer() else f"{value:.4g}"

    def fitted(self, values: Floats) -> Feature:
        """Return the column with range, mean, spread and missing values of training values (n,)."""
        known = values[~np.isnan(values)].astype(np.float64)
        missing = bool(len(known) < len(values))
        if self.kind == "categorical" or len(known) == 0:
            return replace(self, missing=missing)
        return replace(
            self,
            low=float(known.min()),
            high=float(known.max()),
            mean=float(known.mean()),
            std=float(known.std()) or 1.0,  # a constant column stays constant
            missing=missing,
        )

    def same_values(self, other: Feature) -> bool:
        """Return whether the numbers of two columns mean the same."""
        return (self.name, self.kind, self.categories) == (
            other.name,
            other.kind,
            other.categories,
        )


@final
@dataclass(frozen=True)
class Schema:
    """The columns of a table, in the order in which a model reads them.

    Parameters
    ----------
    features : tuple of Feature
        At least one; names are unique.

    Raises
    ------
    DataError
        If there are none, or a name stands twice.

    Examples
    --------
    >>> frame = pd.DataFrame({"age": [39, 50], "work": ["State", None]})
    >>> schema = Schema.of(frame, immutable=["age"])
    >>> schema.in_words(schema.rows(frame)[1])
    'age 50, work (missing)'
    """

    features: tuple[Feature, ...]

    def __post_init__(self) -> None:
        if not self.features:
            raise DataError("A table needs at least one column.")
        names = [one.name for one in self.features]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise DataError(f"Two columns are called {twice!r}.")

    @classmethod
    def of(cls, frame: pd.DataFrame, *, immutable: Sequence[str] = ()) -> Schema:
        """Return the columns of a table of training inputs.

        Columns of numbers are numeric, all others categorical; categories are sorted by name, but
        for those of pandas' own categorical columns, which keep their order.

        Parameters
        ----------
        frame : DataFrame
            The training inputs, without labels.
        immutable : sequence of str
            Columns that who or what a row describes cannot change.
        """
        if unknown := set(immutable) - set(map(str, frame.columns)):
            raise DataError(f"There is no column {min(unknown)!r} that could be immutable.")
        plain = cls(tuple(_feature(str(name), column) for name, column in frame.items()))
        marked = tuple(replace(one, immutable=one.name in immutable) for one in plain.features)
        return cls(marked).fitted(plain.rows(frame))

    def fitted(self, rows: Floats) -> Schema:
        """Return the columns with the ranges, means and spreads of training rows (n, c)."""
        return Schema(tuple(one.fitted(rows[:, j]) for j, one in enumerate(self.features)))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(one.name for one in self.features)

    def __len__(self) -> int:
        return len(self.features)

    def in_words(self, row: Floats) -> str:
        """Return one row (c,) as people read it."""
        pairs = zip(self.features, row.tolist(), strict=True)
        return ", ".join(f"{one.name} {one.in_words(value)}" for one, value in pairs)

    def same_values(self, other: Schema) -> bool:
        """Return whether rows of one are rows of the other."""
        return len(self) == len(other) and all(
            mine.same_values(theirs)
            for mine, theirs in zip(self.features, other.features, strict=True)
        )

    def frame(self, rows: Floats) -> pd.DataFrame:
        """Return rows (n, c) as a table with names of columns and categories."""
        columns = {
            one.name: pd.Categorical.from_codes(
                np.nan_to_num(rows[:, j], nan=-1).astype(int), list(one.categories)
            )
            if one.kind == "categorical"
            else rows[:, j].astype(np.float64)
            for j, one in enumerate(self.features)
        }
        return pd.DataFrame(columns)

    def rows(self, frame: pd.DataFrame, *, where: str = "The table") -> Floats:
        """Return a table as float32 rows (n, c): category numbers, and NaN for a missing value.

        Parameters
        ----------
        frame : DataFrame
            With a column for every feature; others are not looked at.
        where : str
            Names the table in messages.

        Raises
        ------
        DataError
            If a column is missing, or a value is no number or no known category.
        """
        there = list(map(str, frame.columns))
        if absent := [name for name in self.names if name not in there]:
            more = f" and {len(absent) - SHOWN} more" if len(absent) > SHOWN else ""
            raise DataError(
                f"{where} lacks columns that the model reads:"
                f" {', '.join(map(repr, absent[:SHOWN]))}{more}.{near_miss(absent[0], there)}",
                hint=f"The model reads {', '.join(self.names)}.",
            )
        columns = [_numbers(one, frame[one.name].tolist(), where) for one in self.features]
        return np.stack(columns, axis=1).astype(np.float32)


def _feature(name: str, column: pd.Series) -> Feature:
    if isinstance(column.dtype, pd.CategoricalDtype):
        categories = tuple(map(_text, column.cat.categories.tolist()))
        return Feature(name=name, kind="categorical", categories=categories)
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        known = column.dropna().to_numpy(np.float64)
        return Feature(name=name, integer=bool((known == np.round(known)).all()))
    texts = {text for value in column.tolist() if (text := _text(value)) not in _NO_VALUE}
    if not texts:
        raise DataError(f"The column {name!r} holds nothing.", hint="Leave it out.")
    return Feature(name=name, kind="categorical", categories=tuple(sorted(texts)))


def _numbers(feature: Feature, values: Sequence[object], where: str) -> Floats:
    number = _category(feature) if feature.kind == "categorical" else _number
    found = np.empty(len(values))
    for i, value in enumerate(values):
        text = _text(value)
        try:
            found[i] = number(text)
        except (KeyError, ValueError) as error:
            raise _unreadable(feature, text, f"{where}: row {i + 1}") from error
    return found


def _category(feature: Feature) -> Callable[[str], float]:
    numbers = {name: float(i) for i, name in enumerate(feature.categories)}
    for text in _NO_VALUE:
        numbers.setdefault(text, math.nan)
    return numbers.__getitem__


def _number(text: str) -> float:
    if text in _NO_VALUE:
        return math.nan
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _unreadable(feature: Feature, text: str, where: str) -> DataError:
    if feature.kind == "numeric":
        return DataError(
            f"{where} has {text[:40]!r} in the column {feature.name!r}, expected a number.",
            hint="Correct it; an empty cell counts as missing.",
        )
    known = feature.categories
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return DataError(
        f"{where} has {text[:40]!r} in the column {feature.name!r}, which the model does not know;"
        f" it knows {', '.join(map(repr, known[:SHOWN]))}{more}.{near_miss(text, known)}",
        hint="Correct it, or leave the cell empty: an empty cell counts as missing.",
    )


def _text(value: object) -> str:
    """Return a cell as text; whole numbers without a point, so that 1 and 1.0 are the same."""
    if value is None or value is pd.NaT or value is pd.NA:
        return ""
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value).strip()

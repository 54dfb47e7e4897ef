"""Rows of a table as they arrive when something went wrong on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from auditkit.data.schema import Feature
from auditkit.errors import ConfigError, near_miss
from auditkit.randomness import uniform
from auditkit.types import Bools, Floats, Keys

SHARE_OF_CELLS = (0.05, 0.1, 0.2, 0.35, 0.5)  # of the cells that a kind concerns, per severity
_INCH = 2.54  # centimetres

Change = Callable[[float, Feature, float], float]  # value, column, a draw in [0, 1)


def _missing(_value: float, _feature: Feature, _draw: float) -> float:
    return math.nan


def _scale(value: float, _feature: Feature, draw: float) -> float:
    return value * 1000 if draw < 0.5 else value / 1000


def _unit(value: float, _feature: Feature, draw: float) -> float:
    return value * _INCH if draw < 0.5 else value / _INCH


def _swap(value: float, feature: Feature, draw: float) -> float:
    """Return another category of the column."""
    others = [i for i in range(len(feature.categories)) if i != int(value)]
    return float(others[int(draw * len(others))])


def _slip(value: float, _feature: Feature, draw: float) -> float:
    """Return the number with one typing slip: a digit dropped, doubled, exchanged, or the sign."""
    text = np.format_float_positional(np.float32(value), trim="-")
    places = [i for i, one in enumerate(text) if one.isdigit()]
    kind, at = divmod(draw * 4, 1)
    i = places[int(at * len(places))]
    if kind == 0 and len(places) > 1:
        slipped = text[:i] + text[i + 1 :]
    elif kind == 1 and i + 1 < len(text) and text[i + 1].isdigit():
        slipped = text[:i] + text[i + 1] + text[i] + text[i + 2 :]
    elif kind == 2 and value != 0:
        slipped = text[1:] if text.startswith("-") else f"-{text}"
    else:
        slipped = text[: i + 1] + text[i:]
    return float(slipped) if any(map(str.isdigit, slipped)) else 0.0


_NUMBERS: dict[str, Change] = {"scale": _scale, "unit": _unit, "slip": _slip}
_CATEGORIES: dict[str, Change] = {"unseen-category": _missing, "swapped-category": _swap}
KINDS: dict[str, Change] = {"missing": _missing, **_NUMBERS, **_CATEGORIES}


def concerns(kind: str, feature: Feature) -> bool:
    """Return whether a kind of damage can happen in a column.

    Raises
    ------
    ConfigError
        If there is no such kind.
    """
    if kind not in KINDS:
        raise ConfigError(
            f"There is no damage {kind!r} to rows.{near_miss(kind, KINDS)}",
            hint=f"Choose from {', '.join(KINDS)}.",
        )
    if kind in _NUMBERS:
        return feature.kind == "numeric"
    if kind == "swapped-category":
        return len(feature.categories) > 1
    return kind == "missing" or feature.kind == "categorical"


def damaged(
    rows: Floats, features: Sequence[Feature], kind: str, severity: int, keys: Keys
) -> tuple[Floats, Bools]:
    """Return rows (n, c) with damage, and which cells (n, c) were damaged.

    Of the cells that a kind concerns, severity 1 to 5 damages 5, 10, 20, 35, 50 %, each at random
    by itself; a higher severity keeps the damage of a lower one. Missing values stay missing.

    Parameters
    ----------
    rows : ndarray
        (n, c) as `Schema.rows` gives them.
    features : sequence of Feature
        The c columns.
    kind : str
        "missing" empties a cell. "scale" multiplies a number by 1,000 or divides by it, "unit" by
        2.54, the centimetres of an inch. "slip" drops, doubles or exchanges a digit, or the sign.
        "unseen-category" is one that the model does not know, which can reach it as an empty cell
        alone; "swapped-category" is another one that it knows.
    severity : int
        1 to 5.
    keys : ndarray
        (n,) one per row.
    """
    draws = uniform(keys, (2, len(features)))  # (n, 2, c): whether, and how
    here = np.array([concerns(kind, one) for one in features])
    hit = (draws[:, 0] < SHARE_OF_CELLS[severity - 1]) & here & ~np.isnan(rows)
    changed = np.array(rows, dtype=np.float64)
    for i, j in np.argwhere(hit):
        changed[i, j] = KINDS[kind](float(rows[i, j]), features[j], float(draws[i, 1, j]))
    return changed.astype(np.float32), hit

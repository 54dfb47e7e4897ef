"""Rows that a model of a table was not made for: columns that do not belong together, wild values.

`pool` are known rows (m, c) in raw units: categories as numbers, missing values as NaN.
"""

from __future__ import annotations

import numpy as np

from auditkit.data.schema import Schema
from auditkit.randomness import uniform
from auditkit.types import Floats, Keys


def independent_columns(rows: Floats, keys: Keys, *, pool: Floats) -> Floats:
    """Return rows (n, c) each of whose columns is taken from a known row of its own.

    Every column keeps its distribution; what ties columns together is lost.
    """
    drawn = (uniform(keys, (rows.shape[1],)) * len(pool)).astype(np.int64)  # (n, c)
    return pool[drawn, np.arange(rows.shape[1])]


def uniform_rows(rows: Floats, keys: Keys, *, pool: Floats, schema: Schema) -> Floats:
    """Return rows (n, c) of values anywhere in the range of each column, and of any category."""
    draws = uniform(keys, (rows.shape[1],))
    made = np.empty_like(rows)
    for j, feature in enumerate(schema.features):
        if feature.categories:
            made[:, j] = np.floor(draws[:, j] * len(feature.categories))
            continue
        low, high = _range(schema, pool, j)
        values = low + (high - low) * draws[:, j]
        made[:, j] = np.rint(values) if feature.integer else values
    return made


def out_of_range(rows: Floats, keys: Keys, *, pool: Floats, schema: Schema) -> Floats:
    """Return rows (n, c) with every number one to three ranges above or below what was seen.

    Categories and missing values stay.
    """
    draws = uniform(keys, (rows.shape[1], 2))
    made = rows.copy()
    for j, feature in enumerate(schema.features):
        if feature.categories:
            continue
        low, high = _range(schema, pool, j)
        far = (1 + 2 * draws[:, j, 0]) * (high - low or 1.0)
        values = np.where(draws[:, j, 1] < 0.5, low - far, high + far)
        values = np.rint(values) if feature.integer else values
        made[:, j] = np.where(np.isnan(rows[:, j]), np.nan, values)
    return made


def _range(schema: Schema, pool: Floats, j: int) -> tuple[float, float]:
    """Return the range of a column in training, or among the known rows where that is unknown."""
    feature = schema.features[j]
    if feature.low is not None and feature.high is not None:
        return feature.low, feature.high
    known = pool[~np.isnan(pool[:, j]), j]
    return (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)

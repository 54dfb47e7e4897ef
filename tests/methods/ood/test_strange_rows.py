"""Mirrors auditkit/methods/ood/strange_rows.py."""

from __future__ import annotations

import numpy as np
from scipy import stats

from auditkit.data.schema import Feature, Schema
from auditkit.methods.ood.strange_rows import independent_columns, out_of_range, uniform_rows
from auditkit.randomness import keys_of

SCHEMA = Schema(
    (
        Feature(name="age", low=20.0, high=60.0, integer=True),
        Feature(name="work", kind="categorical", categories=("a", "b", "c")),
        Feature(name="wage"),
    )
)
KEYS = keys_of(0, "test", [str(i) for i in range(400)])


def rows() -> np.ndarray:
    rng = np.random.default_rng(0)
    age = rng.integers(20, 61, size=400)
    made = np.stack([age, age % 3, age * 2.0], axis=1).astype(np.float32)
    made[::10, 2] = np.nan
    return made


def test_columns_lose_what_ties_them_and_keep_what_they_are() -> None:
    made = independent_columns(rows(), KEYS, pool=rows())
    assert np.corrcoef(rows()[1::10, 0], rows()[1::10, 2])[0, 1] > 0.99
    known = ~np.isnan(made[:, 2])
    assert abs(np.corrcoef(made[known, 0], made[known, 2])[0, 1]) < 0.15
    assert stats.ks_2samp(made[:, 0], rows()[:, 0]).pvalue > 0.01  # pyright: ignore[reportAttributeAccessIssue]
    assert 0.05 < 1 - known.mean() < 0.15


def test_uniform_rows_are_within_the_ranges() -> None:
    made = uniform_rows(rows(), KEYS, pool=rows(), schema=SCHEMA)
    assert set(made[:, 1]) == {0, 1, 2}
    assert (made[:, 0] == np.rint(made[:, 0])).all()
    assert 20 <= made[:, 0].min() < 25 < 55 < made[:, 0].max() <= 60
    assert 40 <= made[:, 2].min() < made[:, 2].max() <= 120


def test_out_of_range_is_at_least_a_range_away() -> None:
    made = out_of_range(rows(), KEYS, pool=rows(), schema=SCHEMA)
    away = np.maximum(20 - made[:, 0], made[:, 0] - 60)
    assert away.min() >= 40
    assert away.max() <= 120
    np.testing.assert_array_equal(made[:, 1], rows()[:, 1])
    np.testing.assert_array_equal(np.isnan(made[:, 2]), np.isnan(rows()[:, 2]))

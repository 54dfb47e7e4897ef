"""Mirrors auditkit/methods/corruptions/_poisson.py."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from auditkit.methods.corruptions._poisson import _tables, poisson


@pytest.mark.parametrize("scale", [3.0, 60.0, 250.0])
def test_the_tables_hold_the_poisson_distribution(scale: float) -> None:
    tables = _tables(scale)
    own = tables.own.reshape(256, -1).astype(float)
    other = tables.other.reshape(256, -1).astype(int)
    assert own.min() >= 0
    assert own.max() <= 1
    for level in (0, 1, 100, 255):
        shares = own[level].copy()
        np.add.at(shares, other[level], 1 - own[level])
        numbers = tables.first[level] + np.arange(tables.cells)
        expected = stats.poisson.pmf(numbers, scale * level / 255)
        np.testing.assert_allclose(shares / tables.cells, expected, atol=1e-8)
        assert expected.sum() == pytest.approx(1, abs=1e-12)


def test_between_levels_a_second_number_is_added() -> None:
    value, scale = 100.6 / 255, 200.0
    counted = poisson(np.random.default_rng(0), np.full(200_000, value, np.float32), scale)
    mean = scale * value
    assert counted.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / 200_000))
    assert counted.var() == pytest.approx(mean, rel=0.02)


def test_a_rounded_level_counts_as_that_level() -> None:
    levels = (np.arange(256) / np.float32(255)).astype(np.float32)
    for scaled in (levels, levels * 2 - 1, levels * 255):  # as from other bounds
        low, high = scaled.min(), scaled.max()
        again = (scaled - low) / (high - low)
        one, other = (poisson(np.random.default_rng(1), x, 60.0) for x in (levels, again))
        np.testing.assert_array_equal(one, other)

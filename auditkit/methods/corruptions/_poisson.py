"""Poisson numbers for the 256 levels of a picture, by tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np

from auditkit.types import Floats, Ints

_LEVELS = 256
_NEAR = 2e-3  # of a level: a value as close to one is that level, but for its rounding
_REACH = 9.0  # standard deviations beyond which there is nothing to draw: below 1e-17


def poisson(rng: np.random.Generator, values: Floats, scale: float) -> Floats:
    """Return Poisson numbers of mean `scale` times each value, which lies in [0, 1].

    A value is a whole number of 255ths and a rest. Numbers for the first are drawn from tables;
    where there is a rest, a second Poisson number is added, which gives one of the summed mean.

    Parameters
    ----------
    rng : Generator
        Where random bits come from.
    values : ndarray
        Any shape, float32 in [0, 1].
    scale : float
        Mean for a value of 1.
    """
    exact = values * np.float32(_LEVELS - 1)
    levels = (exact + np.float32(_NEAR / 2)).astype(np.int32)
    counted = _tables(scale).draw(rng, levels)
    rest = np.maximum(exact - levels, 0)
    if rest.max() > _NEAR:
        counted += rng.poisson(rest * (scale / (_LEVELS - 1)))
    return counted


@final
@dataclass(frozen=True)
class Tables:
    """Alias tables (Walker, 1977, doi:10.1145/355744.355749), one for each level.

    A level's numbers start at `first` and are one of a power of two cells, each as likely. A cell
    holds two numbers: its own, and another that is taken with the probability that is left.
    """

    first: Floats  # (256,) float32
    own: Floats  # (256 * cells,) float32, probability of the cell's own number
    other: Floats  # (256 * cells,) float32, the other number, counted from `first`
    cells: int

    def draw(self, rng: np.random.Generator, levels: Ints) -> Floats:
        """Return one number for each of the levels, float32."""
        place = rng.random(levels.shape, dtype=np.float64)
        place *= self.cells
        cell = place.astype(np.int32)
        place -= cell  # within the cell, in [0, 1)
        where = levels * np.int32(self.cells) + cell
        number = np.where(place < self.own.take(where), cell, self.other.take(where))
        number += self.first.take(levels)
        return number


@lru_cache(maxsize=8)
def _tables(scale: float) -> Tables:
    means = scale * np.arange(_LEVELS) / (_LEVELS - 1)
    reach = _REACH * np.sqrt(means) + 2 * _REACH
    first = np.maximum(np.floor(means - reach), 0)
    cells = 1 << int(np.ceil(np.log2(np.max(np.ceil(means + reach) - first) + 1)))
    shares = _probabilities(means, first, cells) * cells  # mean 1 over the cells
    own, other = _aliases(shares)
    return Tables(first.astype(np.float32), own.ravel(), other.ravel(), cells)


def _probabilities(means: Floats, first: Floats, cells: int) -> Floats:
    from scipy.special import gammaln, xlogy

    numbers = first[:, None] + np.arange(cells)  # (256, cells)
    mean = means[:, None]
    likely = np.exp(xlogy(numbers, mean) - mean - gammaln(numbers + 1))
    return likely / likely.sum(axis=1, keepdims=True)


def _aliases(shares: Floats) -> tuple[Floats, Floats]:
    """Fill every cell up to 1 from a larger one; all levels go one step at a time.

    Cells are swept from the smallest up. A heavy cell fills light ones until what is left of it is
    light itself; then the next heavy cell fills it.
    """
    order = np.argsort(shares, axis=1)  # (256, cells)
    shares = np.take_along_axis(shares, order, axis=1)
    n_levels, cells = shares.shape
    own, other = np.ones_like(shares), order.copy()
    levels = np.arange(n_levels)
    light, n_light = np.zeros(n_levels, dtype=np.int64), (shares <= 1).sum(axis=1)
    heavy = np.minimum(n_light, cells - 1)
    left = shares[levels, heavy]
    for _ in range(cells - 1):
        fills = (left > 1) & (light < n_light)
        after = np.minimum(heavy + 1, cells - 1)
        cell = np.where(fills, light, heavy)
        going_on = fills | (after > heavy)
        own[levels, cell] = np.where(going_on, np.where(fills, shares[levels, cell], left), 1)
        source = np.where(fills, heavy, after)
        other[levels, cell] = order[levels, source]
        left = left + np.where(fills, shares[levels, cell], shares[levels, after]) - 1
        light, heavy = light + fills, np.where(fills, heavy, after)
    back = np.argsort(order, axis=1)
    own, other = (np.take_along_axis(one, back, axis=1) for one in (own, other))
    return own.astype(np.float32), other.astype(np.float32)

"""Three tests of whether two samples differ, and how often they alarm where the truth is known."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple, final

import numpy as np

from auditkit.methods.drift.kolmogorov_smirnov import KsTest, ks_p, ks_test
from auditkit.methods.drift.mmd import (
    MmdTest,
    gaussian_kernel,
    mmd2,
    mmd_test,
    p_of,
    permuted,
)
from auditkit.methods.drift.two_sample_classifier import FEWEST, ClassifierTest, classifier_test
from auditkit.statistics import Interval
from auditkit.types import Bools, Floats, Ints

SMALLEST = 2  # inputs of either sample


class Standardised(NamedTuple):
    """Columns in units of their spread in both samples; constant ones are left out."""

    first: Floats  # (n, d)
    second: Floats  # (m, d)
    kept: Ints  # (d,) which columns these are


class Comparison(NamedTuple):
    """What the tests came to."""

    mmd: MmdTest
    ks: KsTest
    classifier: ClassifierTest | None  # None of samples that are too small to teach and try one

    @property
    def p_values(self) -> dict[str, float]:
        """By test."""
        found = {"mmd": self.mmd.p, "ks": self.ks.p}
        return found if self.classifier is None else {**found, "classifier": self.classifier.p}


def standardised(first: Floats, second: Floats) -> Standardised:
    """Return two samples with mean 0 and spread 1 of both together."""
    both = np.concatenate([first, second])
    spread = both.std(axis=0)
    # Rounding gives equal numbers a spread of about 1e-16 of their size.
    (kept,) = np.nonzero(spread > 1e-9 * (1 + np.abs(both).max(axis=0)))
    both = (both[:, kept] - both[:, kept].mean(axis=0)) / spread[kept]
    return Standardised(both[: len(first)], both[len(first) :], kept)


def compared(
    first: Floats, second: Floats, *, permutations: int, rng: np.random.Generator, level: float
) -> Comparison:
    """Return what the tests say of two standardised samples, each of at least `SMALLEST`."""
    points = np.concatenate([first, second])
    return Comparison(
        mmd_test(first, second, permutations=permutations, rng=rng, level=level),
        ks_test(points, np.arange(len(points)) < len(first)),
        _taught(first, second, rng),
    )


def _taught(first: Floats, second: Floats, rng: np.random.Generator) -> ClassifierTest | None:
    if min(len(first), len(second)) < FEWEST:
        return None
    return classifier_test(first, second, rng=rng)


def ks_interval(found: KsTest, n: int, m: int, *, level: float) -> Interval:
    """Return where the truly largest distance lies, whichever column has it.

    Massart's constant in the inequality of Dvoretzky, Kiefer and Wolfowitz bounds the error of
    every distribution function at once, at Bonferroni's level over both samples and all columns.
    """
    largest, d = float(found.distances.max()), len(found.distances)
    tail = math.log(4 * d / (1 - level)) / 2
    error = math.sqrt(tail / n) + math.sqrt(tail / m)
    return Interval(max(0.0, largest - error), min(1.0, largest + error))


@final
class Known:
    """Parts of one sample, drawn at random, so that the truth of what a test says is known.

    Parameters
    ----------
    points : ndarray
        (N, d) standardised.
    size : int
        Points of the second part; the first holds the others.
    permutations : int
        Of each test of MMD.
    """

    def __init__(self, points: Floats, size: int, *, permutations: int) -> None:
        self.points, self.size, self.permutations = points, size, permutations
        self._kernel = gaussian_kernel(points)

    def p_values(self, parts: Bools, rng: np.random.Generator) -> Mapping[str, float]:
        """Return the p-value of every test; `parts` (N,) are the points of the first part."""
        values = mmd2(self._kernel.values, permuted(parts, self.permutations, rng))
        taught = _taught(self.points[parts], self.points[~parts], rng)
        found = {"mmd": p_of(values), "ks": ks_p(self.points, parts)}
        return found if taught is None else {**found, "classifier": taught.p}

    def apart(self, by: float, rng: np.random.Generator) -> Bools:
        """Return the first of two parts (N,) whose means differ by about so many spreads.

        They differ along the direction in which the points vary most. Points are as they are: only
        who comes into the second part is no longer left to chance alone, but to chance and to how
        far a point lies in that direction. No difference is larger than that of the extreme ones.
        """
        order = np.argsort(self._place, kind="stable")
        extreme = np.ones(len(order), dtype=bool)
        extreme[order[-self.size :]] = False
        widest = self._place[~extreme].mean() - self._place[extreme].mean()
        share = min(1.0, by / widest)
        noise = rng.normal(size=len(order))
        key = share * self._place + math.sqrt(1 - share**2) * noise
        parts = np.ones(len(order), dtype=bool)
        parts[np.argsort(key, kind="stable")[-self.size :]] = False
        return parts

    def difference(self, parts: Bools) -> float:
        """Return by how many spreads the means of two parts differ in that direction."""
        return float(self._place[~parts].mean() - self._place[parts].mean())

    @cached_property
    def _place(self) -> Floats:
        """Where each point lies (N,) in the direction in which they vary most, in spreads."""
        centred = self.points - self.points.mean(axis=0)
        direction = np.linalg.eigh(centred.T @ centred).eigenvectors[:, -1]
        sign = 1.0 if direction[np.abs(direction).argmax()] > 0 else -1.0  # of either, always one
        place = centred @ direction * sign
        return place / place.std()


def random_parts(n: int, size: int, times: int, rng: np.random.Generator) -> Iterator[Bools]:
    """Yield who of n is in the first part (n,), the second holding `size`, drawn so many times."""
    for _ in range(times):
        parts = np.ones(n, dtype=bool)
        parts[rng.permutation(n)[:size]] = False
        yield parts


def together(p_values: Collection[float]) -> float:
    """Return the p-value of several tests: the smallest times their number, at most 1."""
    return min(1.0, min(p_values) * len(p_values))

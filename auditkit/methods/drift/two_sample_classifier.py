"""A classifier that is taught to tell two samples apart, and tried on what it has not seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from auditkit.statistics import binomial_p_above
from auditkit.types import Floats

FEWEST = 10  # inputs of each sample, below which nothing can be both taught and tried


class ClassifierTest(NamedTuple):
    """How often it was right on held-out inputs, as many of either sample."""

    right: int
    n: int
    p: float  # of so many right answers by guessing


def classifier_test(first: Floats, second: Floats, *, rng: np.random.Generator) -> ClassifierTest:
    """Return how well a linear classifier on the columns and their squares tells two samples apart.

    As many inputs of either sample are used as the smaller one holds. One half teaches a linear
    discriminant with shrinkage, which sees differences of means and of spreads; the other half is
    asked. Where the samples are alike it is right half of the time.

    Parameters
    ----------
    first, second : ndarray
        (n, d) and (m, d), n and m at least `FEWEST`; standardised columns, none constant.
    rng : Generator
        Chooses and halves.

    References
    ----------
    Lopez-Paz and Oquab, 2017, arXiv:1610.06545.
    """
    k = min(len(first), len(second))
    halves = [np.array_split(one[rng.permutation(len(one))[:k]], 2) for one in (first, second)]
    taught, asked = (np.concatenate([halves[0][i], halves[1][i]]) for i in (0, 1))
    answers = np.repeat([0, 1], [len(halves[0][0]), len(halves[1][0])])
    truth = np.repeat([0, 1], [len(halves[0][1]), len(halves[1][1])])
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=[0.5, 0.5])
    with np.errstate(all="ignore"):
        model.fit(_with_squares(taught), answers)
        right = int(np.count_nonzero(model.predict(_with_squares(asked)) == truth))
    return ClassifierTest(right, len(truth), binomial_p_above(right, len(truth), 0.5))


def _with_squares(points: Floats) -> Floats:
    near = np.clip(points, -5, 5)  # one far point must not outweigh all others
    return np.concatenate([near, near * near], axis=1)

"""A classifier that is taught to tell two samples apart, and tried on what it has not seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from auditkit.statistics import fewer_p
from auditkit.types import Bools, Floats

FEWEST = 10  # inputs of each sample, below which nothing can be both taught and tried


class ClassifierTest(NamedTuple):
    """How often it was right on held-out inputs, as many of either sample."""

    right: int
    n: int
    p: float  # of so many right answers where the samples are alike


def classifier_test(first: Floats, second: Floats, *, rng: np.random.Generator) -> ClassifierTest:
    """Return how well a linear classifier on the columns and their squares tells two samples apart.

    As many inputs of either sample are used as the smaller one holds. One half teaches a linear
    discriminant with shrinkage, which sees differences of means and of spreads; the other half is
    asked. Where the samples are alike it is right half of the time. The p-value is Fisher's: given
    how often it answered either sample, every way to name the inputs it was asked is as likely. As
    many of them are of either sample, so right answers are no coin tosses: they come in twos.

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
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    k = min(len(first), len(second))
    halves = [np.array_split(one[rng.permutation(len(one))[:k]], 2) for one in (first, second)]
    taught, asked = (np.concatenate([halves[0][i], halves[1][i]]) for i in (0, 1))
    answers = np.repeat([0, 1], [len(halves[0][0]), len(halves[1][0])])
    truth = np.repeat([False, True], [len(halves[0][1]), len(halves[1][1])])
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=[0.5, 0.5])
    with np.errstate(all="ignore"):
        model.fit(_with_squares(taught), answers)
        said = np.equal(model.predict(_with_squares(asked)), 1)
    return ClassifierTest(int(np.count_nonzero(said == truth)), len(truth), guessing_p(said, truth))


def guessing_p(said: Bools, truth: Bools) -> float:
    """Return how often chance alone would say "second" of so few inputs of the first sample."""
    wrong, right = int((said & ~truth).sum()), int((said & truth).sum())
    second = int(truth.sum())
    return fewer_p(wrong, len(truth) - second, right, second)


def _with_squares(points: Floats) -> Floats:
    near = np.clip(points, -5, 5)  # one far point must not outweigh all others
    return np.concatenate([near, near * near], axis=1)

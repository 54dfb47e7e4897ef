"""Black-box shift estimation: which mix of classes explains what a model answers on new data."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from auditkit.methods.drift.mmd import p_of
from auditkit.statistics import LEVEL
from auditkit.types import Floats, Ints

_LEAST = 1e-3  # singular value of the confusion matrix, below which answers tell classes not apart


class LabelShift(NamedTuple):
    """Estimated shares of the classes in new data less those in the reference data."""

    changes: Floats  # (k,)
    low: Floats  # (k,) simultaneous over the classes
    high: Floats  # (k,)


def confusion(predicted: Ints, labels: Ints, *, classes: int) -> Ints:
    """Return counts (k, k): rows are answers, columns true classes."""
    cells = np.bincount(predicted * classes + labels, minlength=classes * classes)
    return cells.reshape(classes, classes)


def label_shift(
    cells: Ints,
    answers: Ints,
    *,
    rng: np.random.Generator,
    replicates: int = 1000,
    level: float = LEVEL,
) -> LabelShift | None:
    """Return how the mix of classes differs, if each class still looks as it did.

    With C[i, j] the share of reference inputs that are of class j and answered i, and q[i] the
    share of answers i on new data, w = C^-1 q is how much more frequent each class became.
    Intervals are percentiles of a bootstrap of both samples, at Bonferroni's level over the
    classes, so that they hold for whichever class one looks at.

    Parameters
    ----------
    cells : ndarray
        (k, k) counts of the reference data, see `confusion`.
    answers : ndarray
        (k,) counts of the answers on new data.
    rng : Generator
        Draws the bootstrap.
    replicates : int
        Of the bootstrap.
    level : float
        Of all intervals together.

    Returns
    -------
    LabelShift or None
        None where the model's answers do not tell the classes apart: a class that does not occur,
        or is never answered.

    References
    ----------
    Lipton, Wang and Smola, 2018, arXiv:1802.03916.
    """
    n, m, k = int(cells.sum()), int(answers.sum()), len(cells)
    joint, q = cells / n, answers / m
    if np.linalg.svd(joint, compute_uv=False)[-1] * k < _LEAST:
        return None
    changes = _changes(joint[None], q[None])[0]
    drawn = rng.multinomial(n, joint.reshape(-1), size=replicates).reshape(-1, k, k) / n
    fine = np.linalg.svd(drawn, compute_uv=False)[:, -1] * k >= _LEAST / 10
    if fine.mean() < level:  # the intervals would be those of the lucky draws
        return None
    again = rng.multinomial(m, q, size=replicates)[fine] / m
    spread = _changes(drawn[fine], again)
    tail = (1 - level) / (2 * k)
    low, high = np.quantile(spread, [tail, 1 - tail], axis=0)
    return LabelShift(changes, np.minimum(low, changes), np.maximum(high, changes))


def _changes(joint: Floats, q: Floats) -> Floats:
    """Return (r, k) changes of shares for r confusion matrices and distributions of answers."""
    shares = joint.sum(axis=1)  # (r, k) of the true classes
    weights = np.linalg.solve(joint, q[..., None])[..., 0]
    return np.clip(weights * shares, 0, 1) - shares


def answers_p(reference: Ints, new: Ints, *, permutations: int, rng: np.random.Generator) -> float:
    """Return the p-value of the hypothesis that the answers are mixed alike in both samples.

    A permutation test of the chi-square statistic of the (2, k) table.

    Parameters
    ----------
    reference, new : ndarray
        (k,) counts of answers.
    permutations : int
        At least 1.
    rng : Generator
        Draws them.
    """
    total = reference + new
    seen = total > 0
    total, n, m = total[seen], int(reference.sum()), int(new.sum())
    drawn = rng.multivariate_hypergeometric(total, m, size=permutations, method="marginals")
    counts = np.concatenate([new[seen][None], drawn])  # (1 + P, k)
    expected = total * (m / (n + m))
    # The first sample's cells add the same terms times m / n.
    return p_of(((counts - expected) ** 2 / expected).sum(axis=1))

"""Distance to the k-th nearest known input: what has no neighbours is strange."""

from __future__ import annotations

import numpy as np

from auditkit.methods.ood.known import Known, Reading, Score, Unfit
from auditkit.plurals import count
from auditkit.types import Floats

NEIGHBOURS = 5
_DIGITS = 6  # behind the point: below, the distance of equal features is rounding alone
_CELLS = 4_000_000  # distances at a time: 32 MB


def normalised(features: Floats) -> Floats:
    """Return features (n, d) of length 1; those of length 0 stay."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(length > 0, length, 1.0)


def knn(features: Floats, bank: Floats, *, neighbours: int) -> Floats:
    """Return the distance to the k-th nearest of the known features, all of length 1, (n,).

    Parameters
    ----------
    features : ndarray
        (n, d).
    bank : ndarray
        (m, d) of known inputs.
    neighbours : int
        k, from 1 to m.

    References
    ----------
    Sun et al., 2022, arXiv:2204.06507, section 3.

    Examples
    --------
    >>> bank = np.array([[1.0, 0.0], [0.0, 5.0]])
    >>> knn(np.array([[2.0, 0.0]]), bank, neighbours=2).round(3).tolist()
    [1.414]
    """
    asked, known = normalised(features), normalised(bank)
    found = np.empty(len(asked))
    step = max(1, _CELLS // len(known))
    for start in range(0, len(asked), step):
        some = asked[start : start + step]
        squares = np.square(some).sum(1)[:, None] + np.square(known).sum(1) - 2 * some @ known.T
        nearest = np.partition(squares, neighbours - 1, axis=1)[:, neighbours - 1]
        found[start : start + step] = np.sqrt(np.maximum(nearest, 0.0)).round(_DIGITS)
    return found


def fit(known: Known, *, neighbours: int = NEIGHBOURS) -> Score:
    """Return the score with the known inputs as neighbours.

    Raises
    ------
    Unfit
        If there are fewer known inputs than neighbours.
    """
    bank = known.reading.features
    if len(bank) < neighbours:
        raise Unfit(f"{count(len(bank), 'input')}: too few for {neighbours} nearest")

    def score(reading: Reading) -> Floats:
        return knn(reading.features, bank, neighbours=neighbours)

    return score

"""Localisation: how much of a map lies where the truth is known to lie.

Arras et al., 2022, arXiv:2003.07258, section 3.2. Signed scores count by their size: with signed
sums the share is not bounded.
"""

from __future__ import annotations

import numpy as np

from auditkit.types import Bools, Floats


def relevance_mass(scores: Floats, relevant: Bools) -> float:
    """Return the share of the absolute scores that lies on relevant features.

    A map without information scores the share of features that are relevant, on average. NaN where
    the scores are all zero, or no or every feature is relevant.

    Parameters
    ----------
    scores, relevant : ndarray
        Of one shape.

    Examples
    --------
    >>> relevance_mass(np.array([3.0, -1.0, 0.0]), np.array([True, False, False]))
    0.75
    """
    sizes = np.abs(scores.astype(np.float64))
    if not sizes.any() or _says_nothing(relevant):
        return float("nan")
    return float(sizes[relevant].sum() / sizes.sum())


def relevance_rank_accuracy(scores: Floats, relevant: Bools) -> float:
    """Return the share of relevant features among as many of the largest absolute scores.

    Equal scores at the cut count as if drawn by chance. NaN where `relevance_mass` is.

    Examples
    --------
    >>> relevance_rank_accuracy(np.array([3.0, -2.0, 1.0]), np.array([True, False, True]))
    0.5
    >>> relevance_rank_accuracy(np.array([2.0, 2.0, 0.0]), np.array([True, False, False]))
    0.5
    """
    sizes = np.abs(scores)
    if not sizes.any() or _says_nothing(relevant):
        return float("nan")
    count = int(np.count_nonzero(relevant))
    cut = np.sort(sizes, axis=None)[-count]
    above, level = sizes > cut, sizes == cut
    places_left = count - np.count_nonzero(above)
    hits = np.count_nonzero(relevant & above)
    drawn = places_left * np.count_nonzero(relevant & level) / np.count_nonzero(level)
    return float((hits + drawn) / count)


def _says_nothing(relevant: Bools) -> bool:
    return bool(relevant.all() or not relevant.any())

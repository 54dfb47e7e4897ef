"""Concept activation vectors: the direction in a layer along which a concept lies.

Kim et al., 2018, arXiv:1711.11279, section 3, on pairs: the same input with the concept and
without, so that what differs between inputs does not hide it.
"""

from __future__ import annotations

import numpy as np

from auditkit.types import Floats


def concept_vector(present: Floats, absent: Floats) -> Floats:
    """Return the direction (d,) of length 1 that tells activations with a concept from without.

    The normal of a logistic regression on pairs from which their middle is taken off, in units of
    each number's own spread. Zeros where nothing differs, or as much one way as the other.

    Parameters
    ----------
    present, absent : ndarray
        (n, d), row by row the same input.

    Examples
    --------
    >>> concept_vector(np.array([[1.0, 5.0]]), np.array([[0.0, 5.0]])).tolist()
    [1.0, 0.0]
    """
    from sklearn.linear_model import LogisticRegression

    apart = (present - absent).astype(np.float64)
    spread = np.sqrt((apart**2).mean(axis=0))
    apart = np.divide(apart, spread, out=np.zeros_like(apart), where=spread > 0)
    if not apart.any():
        return np.zeros(apart.shape[1])
    both, truth = np.concatenate([apart, -apart]) / 2, np.repeat([1, 0], len(apart))
    weight = LogisticRegression(fit_intercept=False, max_iter=1000).fit(both, truth).coef_[0]
    direction = np.divide(weight, spread, out=np.zeros_like(weight), where=spread > 0)
    length = float(np.linalg.norm(direction))
    return direction / length if length > 0 else direction


def tells(direction: Floats, present: Floats, absent: Floats) -> Floats:
    """Return whether pairs (n,) lie apart as the direction says: 1, 0, or a half if not at all."""
    return (1 + np.sign((present - absent).astype(np.float64) @ direction)) / 2


def towards(slopes: Floats, direction: Floats) -> Floats:
    """Return whether the score of each input rises along a direction: 1, 0, or NaN without slope.

    The mean over the inputs of a class is the class's TCAV score.

    Parameters
    ----------
    slopes : ndarray
        (n, d) of the score at each input.
    """
    rise = slopes.astype(np.float64) @ direction
    return np.where(rise == 0, np.nan, (rise > 0).astype(np.float64))

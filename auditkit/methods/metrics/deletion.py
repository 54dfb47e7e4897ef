"""Deletion: how fast the probability of a class falls as the most important parts are removed.

Insertion, putting the most important parts back first, is removing the least important ones first,
read from the end (Petsiuk et al., 2018, arXiv:1806.07421, section 4.3).

Samek et al., 2017, arXiv:1509.06321, section III; for texts DeYoung et al., 2020,
arXiv:1911.03429, section 4 (comprehensiveness over several shares).
"""

from __future__ import annotations

import numpy as np

from auditkit.types import Bools, Floats, Ints


def deletion_order(scores: Floats) -> Ints:
    """Return units from the highest score to the lowest; equal scores keep their order."""
    return np.argsort(-scores, kind="stable")


def removals(order: Ints, steps: int) -> Bools:
    """Return which units are gone after each step, shape (steps + 1, u), from none to all.

    Parameters
    ----------
    order : ndarray
        (u,) units in the order of their removal.
    steps : int
        Steps of nearly equal size.

    Examples
    --------
    >>> removals(np.array([2, 0, 1]), 3).astype(int).tolist()
    [[0, 0, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1]]
    """
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    gone = np.round(np.linspace(0, len(order), steps + 1)).astype(np.int64)
    return place[None, :] < gone[:, None]


def area_under(curves: Floats) -> Floats:
    """Return the area under curves (..., steps + 1) over shares from 0 to 1, by trapezoids.

    Examples
    --------
    >>> float(area_under(np.array([1.0, 0.5, 0.0])))
    0.5
    """
    return (curves[..., 1:] + curves[..., :-1]).mean(axis=-1) / 2

"""Shapley sampling: the mean gain of a unit over random orders in which units are put back.

Strumbelj and Kononenko, 2010, Journal of Machine Learning Research 11, algorithm 1.
"""

from __future__ import annotations

import numpy as np

from auditkit.methods.saliency.occlusion import Value
from auditkit.types import Floats


def shapley_sampling(
    value: Value, units: int, *, samples: int, seed: int, batch_size: int
) -> Floats:
    """Return Shapley values (u,) as mean gains over random orders in which units are put back.

    As many orders are drawn as the samples allow, at least one; each costs u + 1 of them. The
    scores add up to the score less that without any unit, whatever was drawn.

    Parameters
    ----------
    value : callable
        Maps units removed (m, u) to scores (m,).
    units : int
        Number of units u, at least 2.
    samples : int
        Sets that are asked for.
    seed : int
        Of the draws.
    batch_size : int
        Sets per question.

    Examples
    --------
    >>> both = lambda removed: (~removed).all(axis=1).astype(float)
    >>> shapley_sampling(both, 2, samples=600, seed=0, batch_size=64).round(1).tolist()
    [0.5, 0.5]
    """
    rng = np.random.default_rng(seed)
    orders = max(1, samples // (units + 1))
    total = np.zeros(units)
    for _ in range(orders):
        order = rng.permutation(units)
        place = np.empty(units, dtype=np.int64)
        place[order] = np.arange(units)
        sizes = np.arange(units + 1)  # of the set that is there, from none to all
        parts = np.split(sizes, range(batch_size, units + 1, batch_size))
        scores = np.concatenate([value(place >= some[:, None]) for some in parts])
        total[order] += np.diff(scores)
    return total / orders

"""How far predictions go beyond what labels say about groups.

Counts are (..., g, k, k): inputs by group, label and prediction. Everything here is a function of
them, so that it can be computed for many drawn tables at once.
"""

from __future__ import annotations

import numpy as np

from auditkit.randomness import generator
from auditkit.types import Floats, Ints


def directional_amplification(counts: Floats) -> Floats:
    """Return by how much predictions follow the group beyond the labels, attribute to task (...).

    The mean over groups and classes of P(predicted t | a) - P(labelled t | a), with its sign turned
    where the labels have group and class together less often than if they were independent. Above
    0: what the labels say about groups is exaggerated; below: it is toned down.

    Parameters
    ----------
    counts : ndarray
        (..., g, k, k) inputs, or shares of them; every group holds some.

    References
    ----------
    Wang and Russakovsky, 2021, arXiv:2102.12594, equation 2 (BiasAmp, A to T).

    Examples
    --------
    >>> both = np.array([[[60.0, 0], [20, 20]], [[20, 20], [0, 60]]])  # 60 % become 80 %
    >>> float(directional_amplification(both))
    0.2
    """
    labelled, predicted = counts.sum(axis=-1), counts.sum(axis=-2)  # (..., g, k)
    group = labelled.sum(axis=-1, keepdims=True)  # (..., g, 1)
    total = group.sum(axis=-2, keepdims=True)
    together = labelled * total > group * labelled.sum(axis=-2, keepdims=True)
    moved = (predicted - labelled) / group
    return np.where(together, moved, -moved).mean(axis=(-1, -2))


def mean_amplification(counts: Floats) -> Floats:
    """Return the mean change of the groups' shares in the classes in which they are many (...).

    The share of a group in a class is that of the class's inputs which belong to it. It is followed
    where it lies above one over the number of groups by the labels, and summed over groups; NaN
    where a class is never labelled or never predicted.

    Parameters
    ----------
    counts : ndarray
        As above.

    References
    ----------
    Zhao et al., 2017, arXiv:1707.09457, section 3.

    Examples
    --------
    >>> both = np.array([[[60.0, 0], [20, 20]], [[20, 20], [0, 60]]])
    >>> float(mean_amplification(both))
    0.2
    """
    labelled, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        before = labelled / labelled.sum(axis=-2, keepdims=True)
        after = predicted / predicted.sum(axis=-2, keepdims=True)
    many = before > 1 / counts.shape[-3]
    moved = np.where(np.isnan(before) | np.isnan(after), np.nan, np.where(many, after - before, 0))
    return moved.sum(axis=-2).mean(axis=-1)


def drawn_tables(counts: Ints, *, key: int, draws: int = 2000) -> Floats:
    """Return tables (draws, g, k, k) of shares that could have given these counts, for intervals.

    From the posterior with one input more for each group and label, spread over the predictions:
    mistakes that did not happen to occur are not taken to be impossible.

    Parameters
    ----------
    counts : ndarray
        (g, k, k).
    key : int
        Seed.
    """
    shapes = counts + 1 / counts.shape[-1] * (counts.sum(axis=-1, keepdims=True) > 0)
    drawn = generator(key).standard_gamma(np.broadcast_to(shapes, (draws, *counts.shape)))
    return drawn / drawn.sum(axis=(-3, -2, -1), keepdims=True)

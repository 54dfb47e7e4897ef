"""Whether like inputs are answered alike, and how unequally errors are spread over people.

References
----------
Zemel et al., 2013, Learning Fair Representations, ICML (consistency); Speicher et al., 2018,
arXiv:1807.00787 (Theil index and generalised entropy of benefits).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from auditkit.randomness import generator
from auditkit.statistics import LEVEL, Interval, wilson
from auditkit.types import Bools, Floats, Ints


class Agreement(NamedTuple):
    """How often inputs share the answer of their neighbours."""

    value: float
    interval: Interval
    each: Floats  # (n,)


def neighbour_weights(features: Floats, k: int) -> Floats:
    """Return how much each input (row) counts each other one (column) among its k nearest (n, n).

    An input is never its own neighbour. Those that are equally far and compete for the last places
    share these, so that the order of the inputs says nothing. Rows sum to one.

    Parameters
    ----------
    features : ndarray
        (n, d) whose Euclidean distance says what is alike.
    k : int
        Neighbours, less than n.

    Examples
    --------
    >>> neighbour_weights(np.array([[0.0], [1.0], [3.0]]), 1)
    array([[0., 1., 0.],
           [1., 0., 0.],
           [0., 1., 0.]])
    """
    n = len(features)
    if not 1 <= k < n:
        raise ValueError(f"{k} neighbours of {n} inputs are impossible")
    squares = (features**2).sum(axis=1)
    distances = squares[:, None] + squares[None, :] - 2 * features @ features.T
    distances = np.round(np.maximum(distances, 0.0), 6)  # what rounding parted is equally far
    np.fill_diagonal(distances, np.inf)
    last = np.partition(distances, k - 1, axis=1)[:, k - 1 : k]  # (n, 1)
    closer, tied = distances < last, distances == last
    places = k - closer.sum(axis=1, keepdims=True)
    return (closer + tied * (places / tied.sum(axis=1, keepdims=True))) / k


def agreement(weights: Floats, answers: Ints, *, level: float = LEVEL) -> Agreement:
    """Return the mean share of neighbours with the same answer.

    With two classes this is the usual consistency, 1 - mean |p_i - mean of p over its neighbours|.
    Inputs are neighbours of each other, so that pairs which share an input are not independent:
    the variance sums over all such pairs, and Wilson's interval is made for as many inputs as an
    independent share with that variance would have, at most n.

    Parameters
    ----------
    weights : ndarray
        (n, n) of `neighbour_weights`.
    answers : ndarray
        (n,) a class each.

    References
    ----------
    Aronow, Samii and Assenova, 2015, Political Analysis 23, 564-577 (variance over pairs).
    """
    n = len(answers)
    alike = answers[:, None] == answers[None, :]
    each = (weights * alike).sum(axis=1)
    value = float(each.mean())
    beyond = weights * (alike - value)
    pairs = beyond + beyond.T  # (n, n), each pair once above the diagonal
    variance = float((pairs.sum(axis=1) ** 2).sum() - (pairs**2).sum() / 2) / n**2
    spread = value * (1 - value)
    size = n if spread == 0 or variance <= 0 else max(2, min(n, round(spread / variance)))
    low, high = wilson(round(value * size), size, level=level)
    return Agreement(value, Interval(min(low, value), max(high, value)), each)


def benefits(predicted: Bools, labels: Bools) -> Ints:
    """Return what each input gets (n,): 0 is less than due, 1 what is due and 2 more.

    Parameters
    ----------
    predicted, labels : ndarray
        (n,) whether the class that is good to get is predicted, and is the true one.
    """
    return 1 + predicted.astype(np.int64) - labels


def theil_index(shares: Floats) -> Floats:
    """Return mean((b / mu) ln(b / mu)) where shares (..., 3) of inputs have benefits 0, 1 and 2.

    0 where all have the same; NaN where nobody has any.

    Examples
    --------
    >>> round(float(theil_index(np.array([0.5, 0.0, 0.5]))), 6)  # half get twice the mean: ln 2
    0.693147
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.arange(3) / (shares @ np.arange(3.0))[..., None]
        terms = np.where(relative > 0, relative * np.log(relative), 0.0)
        terms = np.where(np.isnan(relative) | np.isinf(relative), np.nan, terms)
    return (shares * terms).sum(axis=-1)


def generalised_entropy(shares: Floats) -> Floats:
    """Return mean((b / mu)^2 - 1) / 2, the generalised entropy index with alpha 2.

    Half the squared coefficient of variation; arguments as in `theil_index`.

    Examples
    --------
    >>> float(generalised_entropy(np.array([0.5, 0.0, 0.5])))
    0.5
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = shares @ np.arange(3.0)
        return np.where(mean > 0, (shares @ np.array([0.0, 1.0, 4.0]) / mean**2 - 1) / 2, np.nan)


def drawn_shares(counts: Ints, *, key: int, draws: int = 4000) -> Floats:
    """Return shares (draws, c) that could have given counts (c,), for intervals.

    Drawn from Jeffreys' posterior, so that errors which did not happen to occur are not taken to be
    impossible, as a bootstrap would.

    Parameters
    ----------
    counts : ndarray
        (c,) inputs of each kind.
    key : int
        Seed.

    References
    ----------
    Brown, Cai and DasGupta, 2001, Statistical Science 16, 101-133 (its coverage).
    """
    return generator(key).dirichlet(counts + 0.5, size=draws)


def quantiles(values: Floats, value: float, *, level: float = LEVEL) -> Interval:
    """Return the central interval of drawn values (m,), widened to hold the value itself."""
    tail = (1 - level) / 2
    low, high = np.quantile(values[~np.isnan(values)], [tail, 1 - tail]).tolist()
    return (
        Interval(min(low, value), max(high, value)) if math.isfinite(value) else Interval(low, high)
    )

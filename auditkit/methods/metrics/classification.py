"""Which class was taken for which, and what follows from the counts."""

from __future__ import annotations

import math
from typing import cast

import numpy as np

from auditkit.types import Floats, Ints


def confusion_matrix(labels: Ints, predicted: Ints, *, classes: int) -> Ints:
    """Return how often each class (row) was predicted as each class (column), shape (k, k).

    Parameters
    ----------
    labels, predicted : ndarray
        (n,) class indices, 0 to `classes` - 1.

    Examples
    --------
    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), classes=2).tolist()
    [[1, 1], [0, 1]]
    """
    cells = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return cells.reshape(classes, classes)


def balanced_accuracy(confusion: Ints) -> float:
    """Return the mean recall of the classes that occur.

    Parameters
    ----------
    confusion : ndarray
        (k, k) counts, truth in rows; at least one class must occur.

    References
    ----------
    Brodersen et al., 2010, doi:10.1109/ICPR.2010.764.
    """
    totals = confusion.sum(axis=1)
    occurs = totals > 0
    return float((confusion.diagonal()[occurs] / totals[occurs]).mean())


def log_probabilities(logits: Floats) -> Floats:
    """Return log-softmax of logits (n, k), float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def brier_scores(log_probs: Floats, labels: Ints) -> Floats:
    """Return sum over classes of (p_k - y_k)^2 per input, shape (n,), each in [0, 2].

    Parameters
    ----------
    log_probs : ndarray
        (n, k) log probabilities.
    labels : ndarray
        (n,) class indices.

    References
    ----------
    Brier, 1950, Monthly Weather Review 78(1): the original form, which for two classes is twice the
    form that squares one probability.
    """
    errors = np.exp(log_probs)
    errors[np.arange(len(labels)), labels] -= 1
    return (errors**2).sum(axis=1)


def log_losses(log_probs: Floats, labels: Ints) -> Floats:
    """Return -log p of the true class per input, shape (n,), in nats."""
    return -log_probs[np.arange(len(labels)), labels]


def best_temperature(logits: Floats, labels: Ints) -> float:
    """Return the T, from e^-7 to e^7, at which softmax(logits / T) has the smallest log loss.

    Parameters
    ----------
    logits : ndarray
        (n, k), finite.
    labels : ndarray
        (n,) class indices.

    References
    ----------
    Guo et al., 2017, On Calibration of Modern Neural Networks, section 4.2.
    """
    from scipy.optimize import fminbound

    def loss(log_temperature: float) -> float:
        scaled = logits / math.exp(log_temperature)
        return float(log_losses(log_probabilities(scaled), labels).mean())

    # The loss is convex in 1 / T, so the only local minimum is the minimum.
    return math.exp(cast("float", fminbound(loss, -7, 7)))

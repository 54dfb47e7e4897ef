"""Mahalanobis distance to the nearest class: features far from every class's mean are strange."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from auditkit.methods.ood.known import Known, Reading, Score, Unfit
from auditkit.plurals import count
from auditkit.types import Floats, Ints


def class_means(features: Floats, labels: Ints) -> Floats:
    """Return the mean features (classes that occur, d), in the order of the classes."""
    return np.stack([features[labels == one].mean(axis=0) for one in np.unique(labels)])


def whitening(features: Floats, labels: Ints) -> Floats:
    """Return a matrix M (d, r) whose product M M' is the inverse of the tied covariance.

    The covariance is that of features about the mean of their class, divided by n. Directions in
    which no input varies, such as units that never fire, are left out (the pseudo-inverse).

    Parameters
    ----------
    features : ndarray
        (n, d).
    labels : ndarray
        (n,) class of each.

    Raises
    ------
    Unfit
        If so few inputs vary in as many directions as they could: then those directions are
        theirs and not the covariance's.
    """
    _, codes = np.unique(labels, return_inverse=True)
    centred = features - class_means(features, labels)[codes]
    spreads, directions = eigh(centred.T @ centred / len(features))
    kept = spreads > spreads[-1] * len(spreads) * 1e-12
    rank, free = int(np.count_nonzero(kept)), len(features) - int(codes.max()) - 1
    if spreads[-1] <= 0:
        raise Unfit("the features of the fitted inputs do not vary within any class")
    if rank >= free:
        raise Unfit(
            f"{count(len(features), 'input')}: too few to see how {features.shape[1]} features vary"
            " together"
        )
    return directions[:, kept] / np.sqrt(spreads[kept])


def mahalanobis(features: Floats, means: Floats, whitener: Floats) -> Floats:
    """Return the squared distance to the nearest class of each input (n,).

    Parameters
    ----------
    features : ndarray
        (n, d).
    means : ndarray
        (classes, d).
    whitener : ndarray
        (d, r), see `whitening`.

    References
    ----------
    Lee et al., 2018, arXiv:1807.03888, equation 2.

    Examples
    --------
    >>> means = np.array([[0.0, 0.0], [4.0, 0.0]])
    >>> mahalanobis(np.array([[1.0, 1.0], [4.0, 3.0]]), means, np.eye(2)).tolist()
    [2.0, 9.0]
    """
    white = features @ whitener  # (n, r)
    nearest = np.full(len(features), np.inf)
    for mean in means @ whitener:
        nearest = np.minimum(nearest, np.square(white - mean).sum(axis=1))
    return nearest


def fit(known: Known) -> Score:
    """Return the score with the means and the tied covariance of the known inputs.

    Raises
    ------
    Unfit
        If the known inputs are too few for a covariance.
    """
    features, labels = known.reading.features, known.labels
    means, whitener = class_means(features, labels), whitening(features, labels)

    def score(reading: Reading) -> Floats:
        return mahalanobis(reading.features, means, whitener)

    return score

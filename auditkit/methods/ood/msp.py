"""Maximum softmax probability: an unsure answer is strange."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from auditkit.methods.ood.known import Known, Reading, Score
from auditkit.types import Floats


def msp(logits: Floats) -> Floats:
    """Return one minus the highest probability of each input (n,), from logits (n, k).

    The other probabilities are added up: one minus a number near 1 would make sure answers alike.

    References
    ----------
    Hendrycks and Gimpel, 2017, arXiv:1610.02136.

    Examples
    --------
    >>> msp(np.log(np.array([[0.9, 0.1], [0.5, 0.5]]))).round(3).tolist()
    [0.1, 0.5]
    """
    return np.sort(softmax(logits, axis=1), axis=1)[:, :-1].sum(axis=1)


def fit(known: Known) -> Score:  # noqa: ARG001 - the score needs no inputs to fit on
    """Return the score; nothing is fitted."""

    def score(reading: Reading) -> Floats:
        return msp(reading.logits)

    return score

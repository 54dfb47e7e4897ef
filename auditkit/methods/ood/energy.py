"""Energy: an input that raises no logit is strange."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from auditkit.methods.ood.known import Known, Reading, Score, Unfit
from auditkit.types import Floats


def energy(logits: Floats, *, temperature: float = 1.0) -> Floats:
    """Return -T logsumexp(z / T) of each input (n,), from logits z (n, k).

    Unlike a probability it is not the same for logits that are all raised by the same amount.

    Parameters
    ----------
    logits : ndarray
        (n, k).
    temperature : float
        T, above 0.

    References
    ----------
    Liu et al., 2020, arXiv:2010.03759, equation 3.

    Examples
    --------
    >>> energy(np.array([[0.0, 0.0], [3.0, 3.0]])).round(3).tolist()
    [-0.693, -3.693]
    """
    return -temperature * logsumexp(logits / temperature, axis=1)


def fit(known: Known) -> Score:
    """Return the score; nothing is fitted.

    Raises
    ------
    Unfit
        If the model gives probabilities, whose energy is 0 for every input.
    """
    values = energy(known.reading.logits)
    if np.ptp(values) <= 1e-5 and np.abs(values).max() <= 1e-5:
        raise Unfit("the model gives probabilities, whose energy is the same for every input")

    def score(reading: Reading) -> Floats:
        return energy(reading.logits)

    return score

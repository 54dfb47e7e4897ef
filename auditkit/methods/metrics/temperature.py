"""How sure a fitted temperature is, from what every fitted input says about it."""

from __future__ import annotations

import math

import numpy as np

from auditkit.methods.metrics.classification import log_probabilities
from auditkit.statistics import LEVEL, Interval, normal_quantile
from auditkit.types import Floats, Ints

BOUNDS = (math.exp(-6.99), math.exp(6.99))  # a fit that ends outside has found no minimum


def slopes(logits: Floats, labels: Ints, temperature: float) -> tuple[Floats, Floats]:
    """Return the first and second derivative of each input's log loss by 1 / T, each (n,).

    Parameters
    ----------
    logits : ndarray
        (n, k), finite.
    labels : ndarray
        (n,) class indices.
    temperature : float
        T, where they are taken.
    """
    scores = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    probs = np.exp(log_probabilities(scores / temperature))
    mean = (probs * scores).sum(axis=1)
    spread = (probs * (scores - mean[:, None]) ** 2).sum(axis=1)
    return mean - scores[np.arange(len(labels)), labels], spread


def temperature_interval(
    temperature: float, first: Floats, second: Floats, *, level: float = LEVEL
) -> Interval:
    """Return the interval of a fitted temperature, which holds where the model is wrong too.

    The sandwich variance of 1 / T, on the scale of its logarithm, on which it is positive.

    Parameters
    ----------
    temperature : float
        The fitted one.
    first, second : ndarray
        (n,) derivatives at it; see `slopes`.

    References
    ----------
    White, 1982, Econometrica 50, 1-25.
    """
    curvature = float(second.sum())
    if curvature <= 0:
        return Interval(0.0, math.inf)
    error = math.sqrt(float((first**2).sum())) / curvature * temperature  # of log(1 / T)
    half = min(700.0, normal_quantile(0.5 + level / 2) * error)  # exp stays finite
    return Interval(temperature * math.exp(-half), temperature * math.exp(half))

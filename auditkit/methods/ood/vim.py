"""ViM: what features hold beside the main directions of known inputs, next to the logits."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from auditkit.methods.ood.energy import energy
from auditkit.methods.ood.head import Head
from auditkit.methods.ood.known import Known, Reading, Score, Unfit
from auditkit.plurals import count
from auditkit.types import Floats


def main_directions(d: int) -> int:
    """Return how many of d directions are the main ones, as the authors chose."""
    return 1000 if d >= 2048 else 512 if d >= 768 else d // 2


def origin(head: Head) -> Floats:
    """Return the features (d,) nearest to 0 at which the logits are as near 0 as can be."""
    return -np.linalg.pinv(head.weight.T) @ head.bias


def beside(features: Floats, main: int) -> Floats:
    """Return the directions (d, d - main) in which features (n, d) about 0 vary least."""
    _, directions = eigh(features.T @ features / len(features))  # ascending
    return directions[:, : features.shape[1] - main]


def vim(features: Floats, logits: Floats, *, centre: Floats, rest: Floats, alpha: float) -> Floats:
    """Return alpha times the length beside the main directions, plus the energy (n,).

    Parameters
    ----------
    features, logits : ndarray
        (n, d) and (n, k).
    centre : ndarray
        (d,), see `origin`.
    rest : ndarray
        (d, r), see `beside`.
    alpha : float
        Weight of the length.

    References
    ----------
    Wang et al., 2022, arXiv:2203.10807, equation 7.
    """
    return alpha * np.linalg.norm((features - centre) @ rest, axis=1) + energy(logits)


def fit(known: Known) -> Score:
    """Return the score; alpha makes the mean length as large as the mean highest logit.

    Raises
    ------
    Unfit
        If the last linear layer could not be seen, the known inputs are no more than the main
        directions, nothing lies beside these, or the highest logits are not positive on average.
    """
    head, (features, logits) = known.head, known.reading
    if head is None:
        raise Unfit("the weights of a last linear layer could not be seen")
    main = main_directions(features.shape[1])
    if len(features) <= main:
        raise Unfit(f"{count(len(features), 'input')}: too few to find {main} main directions")
    centre = origin(head)
    rest = beside(features - centre, main)
    length = float(np.linalg.norm((features - centre) @ rest, axis=1).mean())
    if length <= 1e-9 * max(float(np.abs(features).max()), 1e-300):
        raise Unfit("the features of the known inputs hold nothing beside their main directions")
    highest = float(logits.max(axis=1).mean())
    if highest <= 0:
        raise Unfit("the highest logits are not positive on average, so nothing can be weighed")

    def score(reading: Reading) -> Floats:
        return vim(
            reading.features, reading.logits, centre=centre, rest=rest, alpha=highest / length
        )

    return score

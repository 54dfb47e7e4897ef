"""ReAct: the energy after features are clipped to what known inputs reach."""

from __future__ import annotations

import numpy as np

from auditkit.methods.ood.energy import energy
from auditkit.methods.ood.head import Head
from auditkit.methods.ood.known import Known, Reading, Score, Unfit
from auditkit.types import Floats

PERCENTILE = 90.0


def react(features: Floats, head: Head, *, clip: float) -> Floats:
    """Return the energy of each input (n,) with its features (n, d) clipped from above.

    References
    ----------
    Sun et al., 2021, arXiv:2111.12797, section 3.

    Examples
    --------
    >>> head = Head(np.eye(2), np.zeros(2))
    >>> react(np.array([[9.0, 0.0]]), head, clip=0.0).round(3).tolist()
    [-0.693]
    """
    return energy(head.logits(np.minimum(features, clip)))


def fit(known: Known, *, percentile: float = PERCENTILE) -> Score:
    """Return the score that clips at a percentile of all features of the known inputs.

    Raises
    ------
    Unfit
        If the last linear layer could not be seen.
    """
    head = known.head
    if head is None:
        raise Unfit("the weights of a last linear layer could not be seen")
    clip = float(np.percentile(known.reading.features, percentile))

    def score(reading: Reading) -> Floats:
        return react(reading.features, head, clip=clip)

    return score

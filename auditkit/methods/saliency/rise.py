"""RISE: the mean score with a unit there, over random sets of units.

Petsiuk et al., 2018, arXiv:1806.07421, section 3.
"""

from __future__ import annotations

import numpy as np

from auditkit.methods.saliency.occlusion import Value
from auditkit.types import Floats


def rise(value: Value, *, draws: Floats, share: float = 0.5) -> Floats:
    """Return the mean score where each unit (u,) is there, less the mean over all sets.

    Sets of whole units take the place of the paper's smooth masks, and the mean is taken off, so
    that a unit that does nothing scores about zero.

    Parameters
    ----------
    value : callable
        Maps units removed (m, u) to scores (m,).
    draws : ndarray
        (m, u) uniform in (0, 1): one set per row; m at least 2.
    share : float
        Share of the units that a set keeps.

    Examples
    --------
    >>> draws = np.random.default_rng(0).random((4000, 2))
    >>> rise(lambda removed: (~removed) @ np.array([1.0, 3.0]), draws=draws).round(1).tolist()
    [0.5, 1.5]
    """
    kept = draws < share
    scores = value(~kept)
    times = np.maximum(kept.sum(axis=0), 1)
    return (kept.T @ scores) / times - scores.mean()

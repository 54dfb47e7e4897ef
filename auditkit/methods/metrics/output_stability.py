"""Relative output stability: how much a map changes per change of the output.

Agarwal et al., 2022, arXiv:2203.06877, equation 5.
"""

from __future__ import annotations

import numpy as np

from auditkit.types import Floats

_LEAST = 1e-6  # logits that differ by less count as differing by that


def relative_output_stability(
    scores: Floats, near: Floats, logits: Floats, near_logits: Floats
) -> float:
    """Return the largest relative change of the scores per change of the logits.

    Lengths are Euclidean. Parts whose score is zero have no relative change and are left out, and
    so are neighbours of another class. NaN where nothing is left, or something is not finite.

    Parameters
    ----------
    scores, near : ndarray
        (u,) of the input and (m, u) of its neighbours.
    logits, near_logits : ndarray
        (k,) and (m, k).

    Examples
    --------
    >>> scores, near = np.array([1.0, 2.0]), np.array([[1.0, 3.0]])
    >>> relative_output_stability(scores, near, np.array([0.0, 4.0]), np.array([[0.0, 5.0]]))
    0.5
    """
    same = near_logits.argmax(axis=1) == logits.argmax()
    known = scores != 0
    if not (same.any() and known.any()):
        return float("nan")
    changes = np.linalg.norm((near[same][:, known] - scores[known]) / scores[known], axis=1)
    moves = np.linalg.norm(near_logits[same] - logits, axis=1)
    found = float((changes / np.maximum(moves, _LEAST)).max())
    return found if np.isfinite(found) else float("nan")

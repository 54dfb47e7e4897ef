"""Max-sensitivity: how far a map changes, at most, where its input hardly does.

Yeh et al., 2019, arXiv:1901.09392, definition 3.1, relative to the length of the map.
"""

from __future__ import annotations

import numpy as np

from auditkit.types import Floats


def max_sensitivity(scores: Floats, near: Floats) -> float:
    """Return the largest change of a map (...) among those of neighbours (m, ...).

    Lengths are Euclidean, in shares of the length of the map; NaN where that is zero.

    Examples
    --------
    >>> max_sensitivity(np.array([3.0, 4.0]), np.array([[3.0, 4.0], [3.0, 14.0]]))
    2.0
    """
    length = float(np.linalg.norm(scores))
    farthest = max(float(np.linalg.norm(one - scores)) for one in near)
    return farthest / length if length > 0 else float("nan")

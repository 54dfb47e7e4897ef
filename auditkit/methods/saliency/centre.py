"""A blob in the centre: a map that looks at no image, a control for those that should."""

from __future__ import annotations

import numpy as np

from auditkit.types import Floats

_WIDTH = 0.25  # standard deviation in shares of each side


def centre(height: int, width: int) -> Floats:
    """Return a Gaussian blob (h, w) in the middle, 1 at its top.

    Examples
    --------
    >>> centre(1, 5).round(2).tolist()
    [[0.28, 0.73, 1.0, 0.73, 0.28]]
    """
    rows, columns = (
        np.exp(-0.5 * np.square((np.arange(size) - (size - 1) / 2) / (_WIDTH * size)))
        for size in (height, width)
    )
    return rows[:, None] * columns[None, :]

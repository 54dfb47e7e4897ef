"""Numbers that do not depend on how inputs were cut into batches."""

from __future__ import annotations

import numpy as np

from auditkit.types import Floats


def steady(values: Floats) -> Floats:
    """Return numbers of five digits, which equal inputs share however batches are cut.

    Examples
    --------
    >>> steady(np.array([1234567.8, 0.0, -2.5])).tolist()
    [1234600.0, 0.0, -2.5]
    """
    size = np.floor(np.log10(np.abs(values), where=values != 0, out=np.zeros_like(values)))
    unit = 10.0 ** np.maximum(size - 4, -300)
    return np.rint(values / unit) * unit

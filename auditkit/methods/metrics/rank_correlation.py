"""Rank correlation: how alike two maps order the parts of an input.

Spearman, 1904, doi:10.2307/1412159; between maps of a model and of the same model with random
weights it is the test of Adebayo et al., 2018, arXiv:1810.03292, section 3.
"""

from __future__ import annotations

import numpy as np

from auditkit.types import Floats


def rank_correlation(first: Floats, second: Floats) -> float:
    """Return Spearman's correlation of two score vectors (u,), ties at their mean rank.

    NaN where one of the two is constant or not finite: it has no order then.

    Examples
    --------
    >>> rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([9.0, 5.0, 1.0]))
    -1.0
    """
    from scipy.stats import rankdata

    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return float("nan")
    a, b = (rankdata(scores) - (len(scores) + 1) / 2 for scores in (first, second))
    spread = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / spread) if spread > 0 else float("nan")


def rank_correlations(scores: Floats) -> Floats:
    """Return Spearman's correlation of each two of finite score vectors (m, u), shape (m, m).

    NaN where one of the two is constant.

    Examples
    --------
    >>> rank_correlations(np.array([[1.0, 2.0, 3.0], [9.0, 5.0, 1.0], [4.0, 4.0, 4.0]])).tolist()
    [[1.0, -1.0, nan], [-1.0, 1.0, nan], [nan, nan, nan]]
    """
    from scipy.stats import rankdata

    ranks = rankdata(scores, axis=1) - (scores.shape[1] + 1) / 2
    sizes = np.square(ranks).sum(axis=1)
    spread = np.sqrt(np.outer(sizes, sizes))
    return np.where(spread > 0, ranks @ ranks.T / np.where(spread > 0, spread, 1.0), np.nan)

"""Split conformal prediction: sets of classes that hold the truth with a stated probability."""

from __future__ import annotations

import math

import numpy as np

from auditkit.statistics import LEVEL, Interval
from auditkit.types import Bools, Floats, Ints


def lac_scores(probabilities: Floats) -> Floats:
    """Return 1 - p of every class (n, k): least ambiguous sets.

    References
    ----------
    Sadinle et al., 2019, Journal of the American Statistical Association 114, 223-234.
    """
    return 1 - probabilities


def aps_scores(probabilities: Floats, draws: Floats) -> Floats:
    """Return how much probability stands before every class, and a random part of its own (n, k).

    Classes are ranked by falling probability; equal ones by their index.

    Parameters
    ----------
    probabilities : ndarray
        (n, k).
    draws : ndarray
        (n,) uniform in (0, 1), one per input.

    References
    ----------
    Romano et al., 2020, arXiv:2006.02544, equation 5 (adaptive prediction sets).

    Examples
    --------
    >>> aps_scores(np.array([[0.25, 0.75]]), np.array([0.5])).tolist()
    [[0.875, 0.375]]
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ranked = np.take_along_axis(probabilities, order, axis=1)
    before = np.cumsum(ranked, axis=1) - ranked
    scores = np.empty_like(probabilities)
    np.put_along_axis(scores, order, before + draws[:, None] * ranked, axis=1)
    return scores


def fewest_for(alpha: float) -> int:
    """Return the fewest calibration inputs with which sets can miss at most `alpha`.

    Examples
    --------
    >>> fewest_for(0.1), fewest_for(0.05)
    (9, 19)
    """
    return math.ceil(round(1 / alpha - 1, 9))


def rank_of(n: int, alpha: float) -> int:
    """Return which of n sorted calibration scores is the quantile: ceil((n + 1)(1 - alpha)).

    It is above n where n is too small.
    """
    return math.ceil(round((n + 1) * (1 - alpha), 9))


def quantile_of(scores: Floats, alpha: float) -> float | None:
    """Return the score up to which classes belong to a set, or None with too few scores.

    Parameters
    ----------
    scores : ndarray
        (n,) scores of the true classes of the calibration inputs.
    alpha : float
        Share of sets that may miss the truth, in (0, 1).

    References
    ----------
    Vovk et al., 2005, Algorithmic Learning in a Random World; Angelopoulos and Bates, 2021,
    arXiv:2107.07511, section 1.
    """
    rank = rank_of(len(scores), alpha)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else None


def sets_of(scores: Floats, quantile: float) -> Bools:
    """Return which classes belong to each input's set (n, k)."""
    return scores <= quantile


def covered(sets: Bools, labels: Ints) -> Bools:
    """Return which sets hold the truth (n,)."""
    return sets[np.arange(len(labels)), labels]


def coverage_band(calibration: int, n: int, alpha: float, *, level: float = LEVEL) -> Interval:
    """Return the coverage that a valid procedure shows on n test inputs, in `level` of all audits.

    Both halves are random: the count of covered inputs is beta-binomial.

    Parameters
    ----------
    calibration : int
        Inputs the quantile was taken from, enough of them.
    n : int
        Test inputs.
    alpha : float
        Share that may be missed.

    References
    ----------
    Angelopoulos and Bates, 2021, arXiv:2107.07511, section 3.2 and appendix C; Vovk, 2012,
    arXiv:1209.2673.
    """
    from scipy.stats import betabinom

    rank = rank_of(calibration, alpha)
    spread = betabinom(n, rank, calibration + 1 - rank)
    tail = (1 - level) / 2
    return Interval(float(spread.ppf(tail)) / n, float(spread.ppf(1 - tail)) / n)


def too_low_p(count: int, calibration: int, n: int, alpha: float) -> float:
    """Return how often a valid procedure covers at most `count` of n test inputs.

    Valid whatever the scores; where many are equal, sets cover more and the p-value is larger.
    """
    from scipy.stats import betabinom

    rank = rank_of(calibration, alpha)
    return min(1.0, float(betabinom(n, rank, calibration + 1 - rank).cdf(count)))

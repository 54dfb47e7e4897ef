"""Telling training inputs from others by how well a model knows them."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from auditkit.statistics import LEVEL, Interval, clopper_pearson
from auditkit.types import Floats, Ints


def log_odds(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the log odds of the true class (n,): the loss, on a scale that does not saturate.

    The cross-entropy is log(1 + exp(-log odds)), so both order inputs alike.

    Parameters
    ----------
    logits : Tensor
        (n, k), k at least 2.
    labels : Tensor
        (n,) the true classes.

    References
    ----------
    Carlini et al., 2022, arXiv:2112.03570, section 4 (logit scaling).

    Examples
    --------
    >>> log_odds(torch.tensor([[3.0, 1.0]]), torch.tensor([0]))
    tensor([2.], dtype=torch.float64)
    """
    scores = logits.double()
    true = torch.nn.functional.one_hot(labels, scores.shape[1]).bool()
    others = scores.masked_fill(true, -math.inf).logsumexp(dim=1)
    return scores[true] - others


def centred_by_class(scores: Floats, labels: Ints) -> Floats:
    """Return scores (n,) less the median of their class (n,), which asks who is a member no more.

    Members and others go into the median alike, so that shifting gives nothing away by itself.

    References
    ----------
    Song and Mittal, 2021, arXiv:2003.10595, section 4.1 (thresholds by class).
    """
    shifted = np.array(scores, dtype=np.float64)
    for label in np.unique(labels):
        here = labels == label
        shifted[here] -= np.median(shifted[here])
    return shifted


def true_positive_rate(members: Floats, others: Floats, *, rate: float) -> float:
    """Return the share of members above the threshold that at most `rate` of the others exceed.

    Parameters
    ----------
    members, others : ndarray
        (m,) and (n,) scores, higher for members; NaN if either is empty.
    rate : float
        False positive rate, in (0, 1).

    Examples
    --------
    >>> true_positive_rate(np.array([1.0, 5.0]), np.arange(4.0), rate=0.25)
    0.5
    """
    if len(members) == 0 or len(others) == 0:
        return math.nan
    allowed = math.floor(rate * len(others) + 1e-9)  # others above the threshold; fewer than n
    return float(np.mean(members > np.sort(others)[::-1][allowed]))


def rate_interval(
    members: Floats, others: Floats, *, rate: float, level: float = LEVEL
) -> Interval:
    """Return the interval of that share, its threshold being estimated too.

    Half of the allowed error goes to the threshold, which lies between two of the others' scores
    whatever their distribution, and half to the share of members above each of the two. Its
    coverage is at least `level`; where the others are few, nothing bounds the threshold from above
    and the interval starts at 0.

    Parameters
    ----------
    members, others : ndarray
        (m,) and (n,) scores, independent, neither empty.
    rate : float
        False positive rate, in (0, 1).

    References
    ----------
    Conover, 1999, Practical Nonparametric Statistics, 3rd edition, section 3.2 (the threshold);
    Clopper and Pearson, 1934, Biometrika 26(4) (the share).
    """
    from scipy.stats import binom

    n, downwards = len(others), np.sort(others)[::-1]
    part = 1 - (1 - level) / 2
    tail = (1 - part) / 2
    first = int(binom.ppf(tail, n, rate))  # P(fewer than `first` above the threshold) <= tail
    last = int(binom.ppf(1 - tail, n, rate)) + 1  # P(`last` or more above it) <= tail
    highest = downwards[first - 1] if first >= 1 else math.inf
    lowest = downwards[last - 1] if last <= n else -math.inf
    least, most = (int(np.count_nonzero(members > one)) for one in (highest, lowest))
    return Interval(
        clopper_pearson(least, len(members), level=part).low,
        clopper_pearson(most, len(members), level=part).high,
    )

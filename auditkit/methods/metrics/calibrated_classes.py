"""What a model whose class probabilities are all true would score by chance at this n."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditkit.methods.metrics.calibration import BINS
from auditkit.types import Floats

_PIECE = 2_000_000  # draws at a time


@dataclass(frozen=True, kw_only=True)
class NullScores:
    """Scores of simulated perfectly calibrated samples, each (simulations,)."""

    classwise: Floats
    brier: Floats
    nll: Floats


def null_scores(
    log_probs: Floats, *, bins: int = BINS, seed: int, simulations: int = 1000
) -> NullScores:
    """Draw every label from the model's own probabilities, and score the model on it.

    Parameters
    ----------
    log_probs : ndarray
        (n, k) log probabilities, finite.

    References
    ----------
    Vaicenavicius et al., 2019, arXiv:1902.06977, section 5 (consistency resampling).
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    probs, (n, k) = np.exp(log_probs), log_probs.shape
    steps = (np.cumsum(probs, axis=1) / probs.sum(axis=1, keepdims=True)).ravel()  # (n * k,)
    steps += np.repeat(np.arange(n), k)  # one increasing sequence: one search finds every label
    index = np.minimum((probs * bins).astype(np.int64), bins - 1) + np.arange(k) * bins  # (n, k)
    stated = np.bincount(index.ravel(), probs.ravel(), minlength=k * bins)
    squares = (probs**2).sum(axis=1)  # (n,)
    found = NullScores(
        classwise=np.empty(simulations), brier=np.empty(simulations), nll=np.empty(simulations)
    )
    rows, size = np.arange(n), max(1, _PIECE // max(n, k * bins))
    for start in range(0, simulations, size):
        here = slice(start, min(simulations, start + size))
        drawn = rng.random((here.stop - start, n)) + rows
        labels = np.searchsorted(steps, drawn, side="right") - rows * k
        labels = np.clip(labels, 0, k - 1)  # (r, n); sums of floats may end short of a whole
        true = log_probs[rows, labels]  # (r, n)
        found.nll[here] = -true.mean(axis=1)
        found.brier[here] = (1 + squares - 2 * np.exp(true)).mean(axis=1)
        cells = index[rows, labels] + np.arange(len(drawn))[:, None] * (k * bins)
        hits = np.bincount(cells.ravel(), minlength=len(drawn) * k * bins).reshape(len(drawn), -1)
        found.classwise[here] = np.abs(hits - stated).sum(axis=1) / (n * k)
    return found

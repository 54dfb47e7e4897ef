"""Conformal sets of one half of the inputs, from scores of the other half."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.halves import searched_half
from auditkit.methods.metrics.classification import log_probabilities
from auditkit.methods.metrics.conformal import (
    aps_scores,
    covered,
    lac_scores,
    quantile_of,
    sets_of,
)
from auditkit.randomness import uniform
from auditkit.types import Bools, Floats, Ints, Params

CHECK = "conformal"
METHODS = {
    "lac": "classes of at least some probability (least ambiguous sets)",
    "aps": "the likeliest classes until they are likely enough (adaptive sets)",
}
_DIGITS = 12  # of a score: equal ones must not be told apart by rounding
_PIECE = 256  # inputs in memory at a time


class Rule(NamedTuple):
    """A way to make sets, and the share of them that may miss the truth."""

    method: str
    alpha: float

    @property
    def swept(self) -> Params:
        """What tells its findings apart."""
        return {"alpha": self.alpha, "method": self.method}

    @property
    def words(self) -> str:
        """What tables and bars call it."""
        return f"{self.method}, alpha {self.alpha:g}"

    def column(self, name: str) -> str:
        """Return the column of the records."""
        return f"{self.method}-{self.alpha:g}-{name}"


class Sets(NamedTuple):
    """Of each input (n,), whether its set holds the truth and how many classes it holds."""

    covered: Bools
    size: Ints


def calibration_half(artifacts: Artifacts) -> Bools:
    """Return which inputs of the whole sample sets are calibrated on (n,)."""
    return artifacts.once((CHECK, "half"), lambda: searched_half(artifacts, CHECK))


def quantiles(artifacts: Artifacts, rules: tuple[Rule, ...]) -> dict[Rule, float | None]:
    """Return the quantile of every rule, the same whatever the shard."""
    return artifacts.once((CHECK, rules), lambda: _calibrated(artifacts, rules))


def _calibrated(artifacts: Artifacts, rules: tuple[Rule, ...]) -> dict[Rule, float | None]:
    (half,) = np.nonzero(calibration_half(artifacts))
    found: dict[str, list[Floats]] = {rule.method: [np.empty(0)] for rule in rules}
    for start in range(0, len(half), _PIECE):
        piece = artifacts.at(half[start : start + _PIECE])
        rows, labels = np.arange(len(piece)), piece.labels.numpy()
        probs = probabilities(piece[Predictions].logits.numpy())
        for method, scores in found.items():
            scores.append(_scores(method, probs, piece)[rows, labels])
    return {rule: quantile_of(np.concatenate(found[rule.method]), rule.alpha) for rule in rules}


def probabilities(logits: Floats) -> Floats:
    """Return the softmax of logits (n, k)."""
    return np.exp(log_probabilities(logits))


def made_sets(artifacts: Artifacts, probs: Floats, rule: Rule, quantile: float) -> Sets:
    """Return the sets of a shard whose probabilities (n, k) are given."""
    sets = sets_of(_scores(rule.method, probs, artifacts), quantile)
    return Sets(covered(sets, artifacts.labels.numpy()), sets.sum(axis=1))


def _scores(method: str, probs: Floats, artifacts: Artifacts) -> Floats:
    if method == "lac":
        scores = lac_scores(probs)
    else:
        scores = aps_scores(probs, uniform(artifacts.keys(f"{CHECK}/aps"), ()))
    return np.round(scores, _DIGITS)

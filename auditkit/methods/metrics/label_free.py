"""Accuracy on inputs without labels, estimated from what a model says of them.

A rule is fitted on inputs whose labels are known and is then applied to others. Every function
takes r draws of the inputs at once, so that intervals cost little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self, final

import numpy as np
from scipy.special import expit, log_softmax, logsumexp

from auditkit.randomness import generator
from auditkit.statistics import LEVEL, Interval, clopper_pearson
from auditkit.types import Bools, Floats, Ints

DRAWS = 1000
_PIECE = 2_000_000  # drawn rows at a time


@final
@dataclass(frozen=True, kw_only=True)
class Answers:
    """What models say of n inputs; no label is needed for any of it.

    Parameters
    ----------
    odds : ndarray
        (n,) logarithm of the odds that the model gives its own answer.
    certainty : ndarray
        (n,) minus the logarithm of the entropy of its probabilities.
    agrees : ndarray, optional
        (n,) whether a second model gives the same answer.
    """

    odds: Floats
    certainty: Floats
    agrees: Floats | None = None

    @property
    def confidence(self) -> Floats:
        """The probability of the model's own answer (n,)."""
        return expit(self.odds)


def odds_of(logits: Floats) -> Floats:
    """Return the log-odds of the highest class (n,): exact where a probability rounds to 1."""
    ordered = np.sort(logits, axis=1)
    return ordered[:, -1] - logsumexp(ordered[:, :-1], axis=1)


def certainty_of(logits: Floats) -> Floats:
    """Return minus the logarithm of the entropy in nats (n,), at most 690."""
    each = log_softmax(logits, axis=1)
    entropy = -(np.exp(each) * each).sum(axis=1)
    return -np.log(np.maximum(entropy, 1e-300))


# --- rules ---------------------------------------------------------------------------------------


def atc_fit(scores: Floats, correct: Floats) -> Floats:
    """Return the threshold below which as large a share of the scores lies as answers are wrong.

    Scores that tie with the threshold count as right in the share that makes this exact.

    Parameters
    ----------
    scores, correct : ndarray
        (r, n) each; a higher score is surer, correct is 0 or 1.

    Returns
    -------
    ndarray
        (r, 2) threshold, and the share of its ties that counts as right. Where every answer is
        wrong the threshold is infinite.

    References
    ----------
    Garg et al., 2022, arXiv:2201.04234 (average thresholded confidence).

    Examples
    --------
    >>> atc_fit(np.array([[0.2, 0.5, 0.7, 0.9]]), np.array([[0, 1, 1, 1]])).tolist()
    [[0.5, 1.0]]
    """
    n = scores.shape[1]
    wrong = n - correct.sum(axis=1).astype(np.int64)  # (r,)
    ordered = np.sort(scores, axis=1)
    at = np.take_along_axis(ordered, np.minimum(wrong, n - 1)[:, None], axis=1)
    threshold = np.where(wrong[:, None] < n, at, np.inf)  # (r, 1)
    above = (scores > threshold).sum(axis=1)
    ties = (scores == threshold).sum(axis=1)
    return np.stack([threshold[:, 0], (n - wrong - above) / np.maximum(ties, 1)], axis=1)


def atc_apply(fitted: Floats, scores: Floats) -> Floats:
    """Return the share of scores (r, m) above each threshold, its ties in their share (r,)."""
    threshold, share = fitted[:, :1], fitted[:, 1]
    return (scores > threshold).mean(axis=1) + share * (scores == threshold).mean(axis=1)


def difference_fit(values: Floats, correct: Floats) -> Floats:
    """Return accuracy minus the mean of the values, (r, 1).

    References
    ----------
    Guillory et al., 2021, arXiv:2107.03315 (difference of confidences).
    """
    return (correct.mean(axis=1) - values.mean(axis=1))[:, None]


def difference_apply(fitted: Floats, values: Floats) -> Floats:
    """Return the mean of the values (r, m) plus what was fitted, within [0, 1] (r,)."""
    return np.clip(fitted[:, 0] + values.mean(axis=1), 0.0, 1.0)


def _as_it_is(values: Floats, correct: Floats) -> Floats:
    del correct
    return np.zeros((len(values), 1))


def _agrees(answers: Answers) -> Floats:
    assert answers.agrees is not None  # rules that ask for a second model are used with one
    return answers.agrees


class Rule(NamedTuple):
    """How an accuracy is estimated."""

    words: str
    reads: Callable[[Answers], Floats]  # one number of each input (n,)
    fit: Callable[[Floats, Floats], Floats]  # numbers (r, n) and correct (r, n): (r, p)
    apply: Callable[[Floats, Floats], Floats]  # (r, p) and numbers (r, m): accuracy (r,)
    second: bool = False  # whether it asks for a second model


RULES: dict[str, Rule] = {
    "atc-confidence": Rule(
        "share of inputs above a threshold of confidence",
        lambda one: one.odds, atc_fit, atc_apply,
    ),
    "atc-entropy": Rule(
        "share of inputs below a threshold of entropy",
        lambda one: one.certainty, atc_fit, atc_apply,
    ),
    "doc": Rule(
        "known accuracy less what mean confidence falls by",
        lambda one: one.confidence, difference_fit, difference_apply,
    ),
    "agreement": Rule(
        "share of inputs on which two models agree", _agrees, _as_it_is, difference_apply,
        second=True,
    ),
    "agreement-difference": Rule(
        "known accuracy less what the agreement of two models falls by",
        _agrees, difference_fit, difference_apply, second=True,
    ),
    "unchanged": Rule(
        "known accuracy, as if nothing had changed",
        lambda one: np.zeros(len(one.odds)), difference_fit, difference_apply,
    ),
}  # fmt: skip
"""The rules by name. `agreement` is the generalised disagreement equality of Jiang et al., 2022,
arXiv:2106.13799; `agreement-difference` carries the gap that it shows on known inputs along.
`unchanged` is what the others have to beat."""
UNCHANGED = "unchanged"


# --- a fitted rule -------------------------------------------------------------------------------


@final
@dataclass(frozen=True, kw_only=True)
class Estimator:
    """A rule, fitted on n inputs with labels and on random draws of them.

    Parameters
    ----------
    rule : Rule
        How.
    n : int
        Inputs that it was fitted on.
    fitted : ndarray
        (1, p) on these inputs.
    drawn : ndarray
        (DRAWS, p) on draws of them, with replacement.
    """

    rule: Rule
    n: int
    fitted: Floats
    drawn: Floats

    @classmethod
    def of(cls, rule: Rule, known: Answers, correct: Bools, *, seed: int) -> Self:
        """Fit a rule on inputs whose labels are known."""
        values, right = rule.reads(known), correct.astype(np.float64)
        drawn = [rule.fit(values[rows], right[rows]) for rows in _draws(len(right), seed)]
        return cls(
            rule=rule,
            n=len(right),
            fitted=rule.fit(values[None], right[None]),
            drawn=np.concatenate(drawn),
        )

    def estimate(self, answers: Answers) -> float:
        """Return the estimated accuracy on other inputs."""
        return float(self.rule.apply(self.fitted, self.rule.reads(answers)[None])[0])

    def interval(
        self, answers: Answers, *, seed: int, level: float = LEVEL, correct: Bools | None = None
    ) -> tuple[Interval, str]:
        """Return the interval of the estimate, or of its error where labels are given; its name.

        Both samples are drawn anew, independently: percentiles of a bootstrap. Where no draw
        differs, so far out that Clopper-Pearson's bound for none in the smaller sample allows it.
        It holds what chance does to the two samples, not that the rule may be wrong.
        """
        value, low, high = self.estimate(answers), 0.0, 1.0
        values, drawn, done = self.rule.reads(answers), list[Floats](), 0
        right = None if correct is None else correct.astype(np.float64)
        if right is not None:
            value, low = value - float(right.mean()), -1.0
        for rows in _draws(len(values), seed):
            found = self.rule.apply(self.drawn[done : done + len(rows)], values[rows])
            drawn.append(found if right is None else found - right[rows].mean(axis=1))
            done += len(rows)
        every = np.concatenate(drawn)
        if np.ptp(every) > 0:
            ends = np.quantile(every, [(1 - level) / 2, (1 + level) / 2])
            return Interval(min(value, float(ends[0])), max(value, float(ends[1]))), "bootstrap"
        unseen = clopper_pearson(0, min(self.n, len(values)), level=level).high
        interval = Interval(value - unseen * (value - low), value + unseen * (high - value))
        return interval, "clopper-pearson-scaled"


def _draws(n: int, seed: int) -> Iterator[Ints]:
    """Yield rows (r, n) of draws with replacement, DRAWS in all."""
    rng = generator(seed)
    piece = max(1, min(DRAWS, _PIECE // n))
    for start in range(0, DRAWS, piece):
        yield rng.integers(0, n, size=(min(piece, DRAWS - start), n))

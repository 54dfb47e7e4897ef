"""How many labels of a group would have to be wrong for its gap to the rest to be the labels'.

Cells are (..., 4): true positives, false negatives, false positives, true negatives.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from auditkit.types import Floats

Rate: TypeAlias = Literal["accuracy", "tpr", "fpr"]


class Needed(NamedTuple):
    """Labels to turn, as few as can be."""

    false_negatives: Floats  # (...) answered no and labelled yes: the label was no
    false_positives: Floats  # (...) answered yes and labelled no: the label was yes

    @property
    def total(self) -> Floats:
        """Both together (...)."""
        return self.false_negatives + self.false_positives


def rate_of(cells: Floats, rate: Rate) -> tuple[Floats, Floats]:
    """Return hits and total of a rate (...)."""
    tp, fn, fp, tn = np.moveaxis(cells, -1, 0)
    match rate:
        case "accuracy":
            return tp + tn, tp + fn + fp + tn
        case "tpr":
            return tp, tp + fn
        case "fpr":
            return fp, fp + tn


def labels_needed(cells: Floats, reference: Floats, rate: Rate) -> Needed:
    """Return the fewest labels of wrong answers to turn until a rate is as good as a reference.

    Turning the label of a wrong answer makes it right. What is missing to the reference shrinks by
    a fixed amount per label of either kind, so that the kind that shrinks it more goes first. None
    where the rate is as good already.

    Parameters
    ----------
    cells : ndarray
        (..., 4) of the group.
    reference : ndarray
        (...) rate to reach: from below for accuracy and TPR, from above for FPR.

    Examples
    --------
    >>> cells = np.array([30.0, 20.0, 0.0, 50.0])  # TPR 0.6
    >>> needed = labels_needed(cells, np.array(0.75), "tpr")
    >>> float(needed.false_negatives)  # 30 / (30 + 10)
    10.0
    """
    _, fn, fp, _ = np.moveaxis(cells, -1, 0)
    hits, total = rate_of(cells, rate)
    match rate:
        case "accuracy":
            missing, by_fn, by_fp = reference * total - hits, np.ones_like(fn), np.ones_like(fn)
        case "tpr":
            missing, by_fn, by_fp = reference * total - hits, reference, 1 - reference
        case "fpr":
            missing, by_fn, by_fp = hits - reference * total, reference, 1 - reference
    missing = np.maximum(missing, 0.0)
    fn_first = by_fn >= by_fp
    first, second = np.where(fn_first, by_fn, by_fp), np.where(fn_first, by_fp, by_fn)
    of_first = np.minimum(np.where(fn_first, fn, fp), missing / first)  # first >= 1/2
    left = np.maximum(missing - first * of_first, 0.0)
    of_second = np.divide(left, second, out=np.zeros_like(left), where=second > 0)
    of_second = np.minimum(np.where(fn_first, fp, fn), of_second)
    return Needed(np.where(fn_first, of_first, of_second), np.where(fn_first, of_second, of_first))


def turned(cells: Floats, false_negatives: float, false_positives: float) -> Floats:
    """Return the cells (4,) after turning labels of so many wrong answers."""
    return cells + np.array([false_positives, -false_negatives, -false_positives, false_negatives])

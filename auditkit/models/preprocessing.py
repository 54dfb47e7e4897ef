"""Compares the preprocessing that was given with usual others, and says so where one is better.

Weights alone do not say how images were prepared in training, and a model that reads images
prepared otherwise is another model: every number of its audit would be about that one.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from auditkit.methods.metrics.classification import (
    best_temperature,
    log_losses,
    log_probabilities,
)
from auditkit.models.blackbox import BlackBox
from auditkit.models.classifier import Classifier, ImageClassifier, Inputs, Layout
from auditkit.models.normalisations import Normalisation, usual
from auditkit.percent import percent
from auditkit.statistics import (
    LEVEL,
    Interval,
    clopper_pearson,
    normal_quantile,
    paired_difference,
)
from auditkit.types import Bools, Floats

MOST, LEAST = 300, 40  # inputs that are compared
_BUDGET = 60e9  # additions and multiplications that are spent; about 1 s on one core
_OPAQUE = 80  # inputs for a function, whose cost nobody knows
_PATIENCE = 2e12  # beyond them, even the fewest inputs take too long
_MARGIN = 0.05  # by which knowledge beats always answering the most frequent class
_BYTE = 0.003921569  # 1 / 255, as one can type it
_CLEARLY = 0.9999  # level at which one loss is larger than another
_POINTS = 0.10  # of accuracy by which another preprocessing has to be better


@final
@dataclass(frozen=True)
class Alternative:
    """Another preprocessing: what to say, what to type, and the classifier with it."""

    words: str
    option: str
    classifier: ImageClassifier


def alternatives(model: ImageClassifier) -> Iterator[Alternative]:
    """Yield the model with usual preprocessings that differ from its own.

    Parameters
    ----------
    model : ImageClassifier
        As it was loaded.
    """
    low, high = model.bounds
    own = Normalisation(model.mean, model.std)
    tried = {name: one.scaled(model.bounds) for name, one in usual(model.input_shape[0]).items()}
    for name, one in tried.items():
        if one != own:
            words = "without normalisation" if name == "none" else f"with {name} normalisation"
            yield Alternative(words, f"--normalise {name}", normalised(model, one))
    if (low, high) == (0.0, 1.0):
        raw = Normalisation().after(255)
        if raw != own:
            yield Alternative("with pixels from 0 to 255", "--scale 255", normalised(model, raw))
    if (low, high) == (0.0, 255.0) and own == Normalisation():
        unit = Normalisation().after(_BYTE)
        yield Alternative(
            "with pixels scaled to [0, 1]", f"--scale {_BYTE}", normalised(model, unit)
        )
    if model.input_shape[0] == 3:
        swapped = copy(model)
        swapped.layout = _SWAPPED[model.layout]
        yield Alternative(
            "with the channels in the other order", f"--layout {swapped.layout}", swapped
        )


_SWAPPED: dict[Layout, Layout] = {
    "nchw": "bgr",
    "bgr": "nchw",
    "nhwc": "nhwc-bgr",
    "nhwc-bgr": "nhwc",
}


def normalised(model: ImageClassifier, how: Normalisation) -> ImageClassifier:
    """Return a classifier with the same network and another normalisation."""
    changed = copy(model)
    changed.mean, changed.std = how.mean, how.std
    return changed


def doubt(model: ImageClassifier, images: Tensor, labels: Tensor) -> str | None:
    """Return a sentence where another preprocessing is far better, else None.

    Far better means: at least 10 points more of the same inputs are classified correctly, and the
    interval of the difference, at a level that is split over all that are tried, leaves out zero;
    and the other is clearly better than always answering the most frequent class.

    Parameters
    ----------
    model : ImageClassifier
        As it was loaded; it is not changed.
    images : Tensor
        (n, c, h, w) raw, in random order.
    labels : Tensor
        (n,) class numbers.
    """
    others = list(alternatives(model))
    n = min(_affordable(model, len(others) + 1), len(images))
    if n < LEAST:
        return None
    images, labels = images[:n], labels[:n]
    own = answers(model, images, labels)
    if own.accuracy > 1 - _POINTS:
        return None  # nothing can be so much better
    found = [(other, answers(other.classifier, images, labels)) for other in others]
    most = max((one for _, one in found), key=lambda one: one.accuracy)
    # Neighbours such as two spreads of one mean differ little in accuracy: the losses tell them.
    alike = [pair for pair in found if gain(most, pair[1]).low <= 0]
    best, better = min(alike, key=lambda pair: pair[1].loss)
    interval = gain(better, own, level=1 - 0.05 / len(others))
    far = better.accuracy - own.accuracy >= _POINTS and interval.low > 0
    if not far or not knows(better, labels, tries=len(others)):
        return None
    return (
        f"Accuracy is {percent(own.accuracy, 0)} as given and {percent(better.accuracy, 0)}"
        f" {best.words}, on the same {n} inputs: did you mean {best.option}?"
    )


def knows(found: Answers, labels: Tensor, *, tries: int) -> bool:
    """Say whether answers are clearly better than always the most frequent class.

    Parameters
    ----------
    found : Answers
        The best of several.
    labels : Tensor
        (n,) class numbers.
    tries : int
        How many there were: the best of many guesses looks better than one, so the level of the
        interval is split over all of them.
    """
    frequent = most_frequent(labels)
    level = 1 - (1 - LEVEL) / tries
    low = clopper_pearson(int(found.correct.sum()), len(labels), level=level).low
    return low > min(frequent + _MARGIN, (1 + frequent) / 2)


def most_frequent(labels: Tensor) -> float:
    """Return the share of the most frequent class."""
    return float(torch.bincount(labels).max()) / len(labels)


@final
@dataclass(frozen=True)
class Answers:
    """How well labelled inputs are answered.

    The losses are log losses after the best temperature: a network that reads images of another
    contrast than in training, or that was stopped early, gives logits of another size, and that
    shall not decide.
    """

    correct: Bools  # (n,)
    losses: Floats  # (n,), in nats; infinite where a logit is not a number

    @property
    def accuracy(self) -> float:
        """Share of correct answers."""
        return float(self.correct.mean())

    @property
    def loss(self) -> float:
        """Mean of the losses."""
        return float(self.losses.mean())

    def worse_than(self, other: Answers) -> bool:
        """Say whether the 99.99 % interval of the mean paired difference lies above zero."""
        more = self.losses - other.losses
        spread = float(more.std(ddof=1)) / math.sqrt(len(more))
        return float(more.mean()) > normal_quantile((1 + _CLEARLY) / 2) * spread


def answers(model: Classifier, inputs: Inputs, labels: Tensor) -> Answers:
    """Return how well a classifier answers n raw inputs with labels (n,)."""
    logits, truth = model.predict(inputs).numpy().astype(np.float64), labels.numpy()
    correct = logits.argmax(1) == truth
    if not np.isfinite(logits).all():
        return Answers(correct, np.full(len(truth), math.inf))
    scaled = logits / best_temperature(logits, truth)
    return Answers(correct, log_losses(log_probabilities(scaled), truth))


def gain(first: Answers, second: Answers, *, level: float = LEVEL) -> Interval:
    """Return the interval of the first accuracy minus the second, on the same inputs."""
    return paired_difference(first.correct, second.correct, level=level)[1]


def _affordable(model: ImageClassifier, variants: int) -> int:
    """Return how many inputs can be compared in about a second; 0 where even few take too long."""
    if isinstance(model.module, BlackBox):
        return _OPAQUE
    cost = flops_of(model) * variants
    if cost * LEAST > _PATIENCE:
        return 0
    return max(LEAST, min(MOST, int(_BUDGET / cost)))


def flops_of(model: ImageClassifier) -> int:
    """Return additions and multiplications for one image, in products and convolutions."""
    with warnings.catch_warnings(), FlopCounterMode(display=False) as counter:
        warnings.simplefilter("ignore")
        model.predict(torch.full((1, *model.input_shape), model.bounds[0]))
    return max(1, counter.get_total_flops())

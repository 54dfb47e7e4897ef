"""Compares the preprocessing that was given with usual others, and says so where one is better.

Weights alone do not say how images were prepared in training, and a model that reads images
prepared otherwise is another model: every number of its audit would be about that one.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from auditkit.models.classifier import ImageClassifier, Layout
from auditkit.models.normalisations import Normalisation, usual
from auditkit.statistics import newcombe_paired
from auditkit.types import Bools

MOST, LEAST = 300, 40  # inputs that are compared
_BUDGET = 60e9  # additions and multiplications that are spent; about 1 s on one core
_PATIENCE = 2e12  # beyond them, even the fewest inputs take too long
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
    interval of the difference, at a level that is split over all that are tried, leaves out zero.

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
    own = _correct(model, images, labels)
    if float(own.mean()) > 1 - _POINTS:
        return None  # nothing can be so much better
    found = [(other, _correct(other.classifier, images, labels)) for other in others]
    best, correct = max(found, key=lambda one: int(one[1].sum()))
    gain = float(correct.mean() - own.mean())
    counts = (correct & own, correct & ~own, ~correct & own, ~correct & ~own)
    interval = newcombe_paired(*(int(part.sum()) for part in counts), level=1 - 0.05 / len(others))
    if gain < _POINTS or interval.low <= 0:
        return None
    return (
        f"Accuracy is {own.mean():.0%} as given and {correct.mean():.0%} {best.words}, on the same"
        f" {n} inputs: did you mean {best.option}?"
    )


def _correct(model: ImageClassifier, images: Tensor, labels: Tensor) -> Bools:
    return (model.predict(images).argmax(1) == labels).numpy()


def _affordable(model: ImageClassifier, variants: int) -> int:
    """Return how many inputs can be compared in about a second; 0 where even few take too long."""
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

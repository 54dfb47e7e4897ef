"""What a training gave: accuracies, their intervals, and where the weights are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor

from auditkit.data.dataset import Dataset
from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.pgd_linf import pgd_linf
from auditkit.models.card import Adversarial, Recipe, Robust
from auditkit.models.classifier import Classifier, ImageClassifier
from auditkit.models.training.fit import Epoch
from auditkit.percent import percent, percent_range
from auditkit.randomness import key_of, uniform
from auditkit.statistics import Interval, clopper_pearson


@final
@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Correct answers on one split."""

    split: str
    correct: int
    n: int

    @property
    def share(self) -> float:
        """Share of correct answers."""
        return self.correct / self.n

    @property
    def interval(self) -> Interval:
        """Clopper-Pearson interval of the share, 95 %."""
        return clopper_pearson(self.correct, self.n)

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.split} accuracy {percent(self.share)}, {self.correct} of n = {self.n},"
            f" 95 % interval {percent_range(low, high)}"
        )


@final
@dataclass(frozen=True, kw_only=True)
class TrainingReport:
    """What training a built-in model gave.

    Parameters
    ----------
    name : str
        The built-in model.
    recipe : Recipe
        What was done.
    validation : Accuracy, optional
        On the split that hyperparameters were chosen with, where there is one.
    test : Accuracy
        On the split that nothing was chosen with.
    epochs : tuple of Epoch
        Every pass.
    seconds : float, optional
        Wall-clock time of the training; None where it went on from a checkpoint.
    parameters, flops : int
        See `Measured`.
    robust : Robust, optional
        Of adversarially trained networks.
    path, sha256 : optional
        The file that was written, and its hash.
    """

    name: str
    recipe: Recipe
    validation: Accuracy | None
    test: Accuracy
    epochs: tuple[Epoch, ...]
    seconds: float | None
    parameters: int
    flops: int
    robust: Robust | None = None
    path: Path | None = None
    sha256: str | None = None

    def as_text(self) -> str:
        """Return the report, line by line."""
        lines = [
            f"{self.name}, seed {self.recipe.seed}, {took(self.seconds)},"
            f" {self.parameters:,} parameters, {self.flops:,} FLOPs"
        ]
        lines += [f"  {one}" for one in (self.validation, self.test) if one is not None]
        if self.robust is not None:
            lines.append(f"  {self.robust}")
        if self.path is not None:
            lines += [f"  written to {self.path}", f"  sha256 {self.sha256}"]
        return "\n".join(lines)


ATTACKED = 1000  # test inputs, the first
STEPS = 20


def robust(classifier: ImageClassifier, data: Dataset, how: Adversarial) -> Robust:
    """Attack a network within the ball that it was trained against, on inputs it never saw."""
    rows = np.arange(min(ATTACKED, len(data)))
    batch = data.read(rows)
    assert not isinstance(batch, list)
    inputs, labels = torch.from_numpy(batch), torch.from_numpy(data.labels[rows]).long()
    keys = np.array([key_of(0, "robust", int(row)) for row in rows], np.uint64)
    low, high = classifier.bounds
    points = pgd_linf(
        classifier.logits,
        inputs,
        labels,
        epsilon=how.epsilon * (high - low),
        steps=STEPS,
        start=torch.from_numpy(2 * uniform(keys, tuple(inputs.shape[1:])) - 1).to(inputs),
        bounds=classifier.bounds,
    )
    wrong, fallen = (judged(classifier.logits, one, labels, margin=0.0) for one in (inputs, points))
    held = ~(wrong | fallen)
    return Robust(epsilon=how.epsilon, steps=STEPS, correct=int(held.sum()), n=len(rows))


def took(seconds: float | None) -> str:
    """Say how long a training took."""
    return "in several parts" if seconds is None else f"{seconds:.0f} s"


def accuracy(classifier: Classifier, data: Dataset) -> Accuracy:
    """Return how many inputs of a data set a classifier gets right."""
    correct = 0
    for start in range(0, len(data), 512):
        where = slice(start, start + 512)
        batch = data.read(where)
        inputs = batch if isinstance(batch, list) else torch.from_numpy(batch)
        predicted = classifier.predict(inputs).argmax(dim=1).numpy()
        correct += int((predicted == data.labels[where]).sum())
    return Accuracy(split=data.split, correct=correct, n=len(data))


def share_correct(logits: Tensor, labels: Tensor) -> float:
    """Return the share of rows (n, k) whose highest logit is at their label."""
    return float((logits.argmax(dim=1) == labels).float().mean())

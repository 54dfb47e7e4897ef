"""What checks over severities share: cells, paired drops, the mean error, the worst rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import GALLERY_SIZE
from auditkit.errors import ConfigError, ModelError
from auditkit.findings import Series
from auditkit.methods.corruptions.severity import require_severity
from auditkit.models.classifier import Inputs
from auditkit.statistics import Interval, bootstrap_mean, clopper_pearson
from auditkit.types import Bools, Floats, Ints


def require_choice(check: str, name: str, chosen: Sequence[object]) -> None:
    """Raise ConfigError if a list parameter is empty or names something twice."""
    if not chosen:
        raise ConfigError(
            f"{check}: {name} is empty, expected at least one.", hint=f"Leave {name} out for all."
        )
    for one in chosen:
        if chosen.count(one) > 1:
            raise ConfigError(f"{check}: {name} names {one!r} twice.", hint="Name it once.")


def require_severities(check: str, severities: Sequence[int]) -> None:
    """Raise ConfigError unless the severities are distinct whole numbers from 1 to 5."""
    for severity in severities:
        require_severity(severity)
    require_choice(check, "severities", severities)


def logits_under(artifacts: Artifacts, changed: Inputs, name: str) -> Tensor:
    """Run the model on changed inputs.

    Raises
    ------
    ModelError
        If a logit is NaN or infinite.
    """
    logits = artifacts.classifier.predict(changed, batch_size=artifacts.execution.batch_size)
    if not torch.isfinite(logits).all():
        raise ModelError(
            f"The model returned NaN or infinite logits under {name}.",
            hint="Find the operation that overflows, or leave this change out with kinds.",
        )
    return logits


@final
@dataclass(frozen=True)
class Cell:
    """What the model says to one shard under one kind of change at one severity."""

    predicted: Ints  # (n,)
    confidence: Floats  # (n,) of the predicted class
    correct: Bools  # (n,)

    @classmethod
    def read(cls, artifacts: Artifacts, changed: Inputs, name: str) -> Cell:
        """Run the model on the changed inputs of a shard.

        Raises
        ------
        ModelError
            If a logit is NaN or infinite.
        """
        logits = logits_under(artifacts, changed, name)
        confidence, predicted = logits.softmax(dim=1).max(dim=1)
        correct = predicted == artifacts.labels
        return cls(predicted.numpy(), confidence.numpy(), correct.numpy())


@final
@dataclass(frozen=True)
class Fallen:
    """An input that the model reads rightly when clean and wrongly when changed."""

    id: str
    position: int  # in the shard
    kind: str
    severity: int
    predicted: int
    confidence: float

    @property
    def score(self) -> float:
        """The earlier it falls and the surer the wrong answer is, the worse."""
        return self.confidence - self.severity


def fallen_in(artifacts: Artifacts, cell: Cell, kind: str, severity: int) -> list[Fallen]:
    """Return the inputs of a cell that may be shown, the surest wrong answers first."""
    clean = artifacts[Predictions].correct.numpy()
    positions = np.flatnonzero(clean & ~cell.correct)
    order = sorted(positions, key=lambda i: (-cell.confidence[i], artifacts.ids[i]))
    return [
        Fallen(
            artifacts.ids[i], int(i), kind, severity,
            int(cell.predicted[i]), float(cell.confidence[i]),
        )
        for i in order[:GALLERY_SIZE]
    ]  # fmt: skip


def worst(fallen: Iterable[Fallen]) -> list[Fallen]:
    """Return the worst of them, every input at most once."""
    best: dict[str, Fallen] = {}
    for one in fallen:
        if one.id not in best or one.score > best[one.id].score:
            best[one.id] = one
    return sorted(best.values(), key=lambda one: (-one.score, one.id))[:GALLERY_SIZE]


def mean_error(correct: Sequence[Bools], *, seed: int, level: float) -> tuple[float, Interval, str]:
    """Return the mean error over cells, its interval by input, and the interval's name.

    The cells of one input are one cluster: whole inputs are drawn.
    """
    return bounded_mean(1 - np.mean(np.stack(correct), axis=0), seed=seed, level=level)


def bounded_mean(
    values: Floats, *, seed: int, level: float, low: float = 0.0, high: float = 1.0
) -> tuple[float, Interval, str]:
    """Return the mean of values (n,) in [low, high], its interval, and the interval's name.

    Where every input has the same value v, drawing shows no spread; then the share of inputs that
    differ from v is below Clopper-Pearson's bound u for none in n, and the mean lies in
    [v - u (v - low), v + u (high - v)].
    """
    value = float(values.mean())
    if np.ptp(values) > 0:
        return value, bootstrap_mean(values, seed=seed, level=level), "bootstrap"
    unseen = clopper_pearson(0, len(values), level=level).high
    interval = Interval(value - unseen * (value - low), value + unseen * (high - value))
    return value, interval, "clopper-pearson"


def accuracy_series(
    name: str, columns: Mapping[int, Bools] | Mapping[float, Bools], *, level: float
) -> Series:
    """Return accuracy with intervals over severity, 0 being the clean inputs, or over a number."""
    intervals = [clopper_pearson(int(one.sum()), len(one), level=level) for one in columns.values()]
    return Series(
        name=name,
        x=[float(severity) for severity in columns],
        y=[float(one.mean()) for one in columns.values()],
        low=[one.low for one in intervals],
        high=[one.high for one in intervals],
    )

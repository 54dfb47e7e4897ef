"""Clean predictions: what the model says before anything is changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, final

import torch
from torch import Tensor

from auditkit.artifacts.base import Artifact, Artifacts
from auditkit.errors import ModelError
from auditkit.plurals import count


@final
@dataclass(frozen=True)
class Predictions(Artifact):
    """Logits and what follows from them, on the CPU."""

    logits: Tensor  # (n, k) float32
    labels: Tensor  # (n,) int64, the truth
    predicted: Tensor  # (n,) int64
    correct: Tensor  # (n,) bool
    confidence: Tensor  # (n,) float32, the highest probability

    @classmethod
    def compute(cls, shard: Artifacts) -> Self:
        """Run the model once over the shard.

        Raises
        ------
        ModelError
            If a logit is NaN or infinite.
        """
        logits = shard.classifier.predict(shard.inputs, batch_size=shard.execution.batch_size)
        bad = ~torch.isfinite(logits).all(dim=1)
        if bad.any():
            first = shard.ids[int(bad.nonzero()[0, 0])]
            raise ModelError(
                f"The model returned NaN or infinite logits for"
                f" {count(int(bad.sum()), 'input')}, the first is {first!r}.",
                hint="Check the preprocessing: --mean, --std and --bounds.",
            )
        predicted = logits.argmax(dim=1)
        return cls(
            logits=logits,
            labels=shard.labels,
            predicted=predicted,
            correct=predicted == shard.labels,
            confidence=logits.softmax(dim=1).amax(dim=1),
        )

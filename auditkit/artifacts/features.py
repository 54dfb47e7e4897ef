"""Inner features: what the model knows of an input just before it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, final

import numpy as np

from auditkit.artifacts.base import Artifact, Artifacts
from auditkit.methods.penultimate import penultimate
from auditkit.types import Floats


@final
@dataclass(frozen=True)
class Features(Artifact):
    """What the last linear layer reads, or the logits where nothing else can be seen."""

    values: Floats  # (n, d) float64
    words: str  # which layer it is
    of_logits: bool = False  # whether they are only the logits again
    matrix: Floats | None = None  # (d, k), or (d, 1), that they are multiplied with, where seen

    @classmethod
    def compute(cls, shard: Artifacts) -> Self:
        """Run the model once over the shard."""
        found = penultimate(shard.classifier, shard.inputs, batch_size=shard.execution.batch_size)
        values = found.values.numpy().astype(np.float64)
        matrix = None if found.matrix is None else found.matrix.numpy().astype(np.float64)
        return cls(values, found.words, found.of_logits, matrix)

"""Inner features: what the model knows of an input just before it answers."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np

from auditkit.artifacts.base import Artifact, Artifacts
from auditkit.methods.penultimate import penultimate
from auditkit.types import Floats

_WIDTH = "width of the features"
_PROBED = 16  # of the first inputs, the same in every shard and process


def width_of(shard: Artifacts) -> int:
    """Return how many numbers the last linear layer reads of the first inputs; 0: it is unseen.

    All shards are then read by that layer, or all by their logits.
    """

    def found() -> int:
        first = shard.at(np.arange(min(_PROBED, len(shard.data))))
        seen = penultimate(shard.classifier, first.inputs, batch_size=shard.execution.batch_size)
        return 0 if seen.of_logits else seen.values.shape[1]

    return shard.once(_WIDTH, found)


def read_alike(shard: Artifacts) -> dict[Hashable, Any]:
    """Return what `Artifacts(shared=...)` of other inputs needs, to be read as this shard is."""
    return {_WIDTH: width_of(shard)}


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
        found = penultimate(
            shard.classifier,
            shard.inputs,
            batch_size=shard.execution.batch_size,
            width=width_of(shard),
        )
        values = found.values.numpy().astype(np.float64)
        matrix = None if found.matrix is None else found.matrix.numpy().astype(np.float64)
        return cls(values, found.words, found.of_logits, matrix)

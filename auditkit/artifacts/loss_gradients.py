"""Where a small change hurts most: the gradients of the loss at the clean images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self, final

from torch import Tensor

from auditkit.artifacts.base import Artifact, Artifacts
from auditkit.methods.attacks.active_set import loss_gradients


@final
@dataclass(frozen=True)
class LossGradients(Artifact):
    """Gradients of the log odds against the labels, in the model's own precision."""

    as_large_as_inputs: ClassVar[bool] = True
    values: Tensor  # (n, c, h, w) on the model's device
    usable: Tensor  # (n,) bool, on the CPU: finite, and not zero everywhere

    @classmethod
    def compute(cls, shard: Artifacts) -> Self:
        """Run the model forward and backward once over the shard."""
        model = shard.image_model
        values = loss_gradients(
            model.logits,
            shard.images.to(model.device),
            shard.labels.to(model.device),
            batch_size=shard.execution.batch_size,
        )
        flat = values.flatten(1)
        usable = flat.isfinite().all(dim=1) & (flat != 0).any(dim=1)
        return cls(values, usable.cpu())

"""A stand-in for the model, taught on a sample of the data, for attacks that transfer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, final

from auditkit.artifacts.base import Artifact, Artifacts
from auditkit.methods.attacks.surrogate import taught_surrogate
from auditkit.models.classifier import Logits

_SAMPLE = 256  # images it is taught on


@final
@dataclass(frozen=True)
class Surrogate(Artifact):
    """Its logits."""

    logits: Logits

    @classmethod
    def compute(cls, shard: Artifacts) -> Self:
        """Teach it the model's answers."""
        model = shard.image_model
        images = shard.images.clamp(*model.bounds).to(model.device)
        return cls(
            taught_surrogate(model.logits, images, bounds=model.bounds, key=shard.key("surrogate"))
        )


def surrogate(artifacts: Artifacts) -> Logits:
    """Return the logits of the stand-in, the same whatever the shard."""
    return artifacts.sample("surrogate", _SAMPLE)[Surrogate].logits

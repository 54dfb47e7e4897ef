"""Gradients past the steps that hide them, looked for once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, final

from auditkit.artifacts.base import Artifact, Artifacts
from auditkit.methods.attacks.unmasking import Unmasked
from auditkit.models.classifier import Logits

_LOOKED_AT = 4  # images


@final
@dataclass(frozen=True)
class PastMasks(Artifact):
    """What to search with, and what it gets around."""

    unmasked: Unmasked

    @classmethod
    def compute(cls, shard: Artifacts) -> Self:
        """Look for masks on the images; the model must be differentiable."""
        model = shard.image_model
        return cls(Unmasked(model, shard.images.clamp(*model.bounds).to(model.device)))


def past_masks(artifacts: Artifacts) -> Unmasked:
    """Return gradients past masks, the same whatever the shard."""
    return artifacts.sample("masks", _LOOKED_AT)[PastMasks].unmasked


def search_of(artifacts: Artifacts) -> Logits | None:
    """Return what an attack searches with: past masks, a cheaper form of the model, or neither."""
    model = artifacts.image_model
    if model.differentiable and (unmasked := past_masks(artifacts)).masks:
        return unmasked
    return plain_search(artifacts)


def plain_search(artifacts: Artifacts) -> Logits | None:
    """Return the model at less cost to search with; None where there is no cheaper form of it."""
    model = artifacts.image_model
    return model.search_logits if model.searches_apart else None

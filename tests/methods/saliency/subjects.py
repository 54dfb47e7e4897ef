"""Probes of small models."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.saliency.catalogue import Effort
from auditkit.methods.saliency.probes.image import ImageProbe
from auditkit.methods.saliency.probes.text import TextProbe
from auditkit.models.classifier import ImageClassifier, TextClassifier
from auditkit.randomness import keys_of


def image_probe(
    model: ImageClassifier,
    image: Tensor,
    *,
    side: int = 1,
    target: int = 0,
    reference: Tensor | None = None,
    batch_size: int = 128,
) -> ImageProbe:
    reference = torch.zeros_like(image) if reference is None else reference
    return ImageProbe(
        model=model, image=image, reference=reference, target=target,
        side=side, batch_size=batch_size,
    )  # fmt: skip


def text_probe(
    model: TextClassifier, text: str, *, target: int = 1, batch_size: int = 128
) -> TextProbe:
    return TextProbe(model=model, text=text, target=target, batch_size=batch_size)


def effort(*, seed: int = 0, sets: int = 400, references: Tensor | None = None) -> Effort:
    key = keys_of(seed, "test", ["one"])
    return Effort(steps=8, copies=8, sets=sets, key=key, references=references)

"""A model as the peers know models."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from auditkit.models.classifier import ImageClassifier


class Plain(nn.Module):
    """A module that maps images to logits, and has a parameter."""

    def __init__(self, model: ImageClassifier) -> None:
        super().__init__()
        self.model = model
        self.nothing = nn.Parameter(torch.zeros(1))  # torchattacks asks parameters for the device

    def forward(self, images: Tensor) -> Tensor:
        """Map images to logits."""
        return self.model.logits(images)

"""Untrained classifiers: loaders only ask for classes, shape and bounds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch import Tensor, nn

from auditkit.models.classifier import ImageClassifier, TextClassifier


class _Words(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def embed(self, ids: Tensor) -> Tensor:
        return ids[:, :, None].float()

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        return torch.zeros(len(embeddings), self.classes)


def text_model(classes: Sequence[str] = ("negative", "positive")) -> TextClassifier:
    tokenizer = Tokenizer(WordLevel({"[PAD]": 0, "[UNK]": 1}, unk_token="[UNK]"))
    return TextClassifier(_Words(len(classes)), tokenizer=tokenizer, classes=classes, max_length=32)


def image_model(
    classes: Sequence[str] = ("cat", "dog"),
    *,
    shape: tuple[int, int, int] = (3, 4, 5),
    bounds: tuple[float, float] = (0.0, 1.0),
) -> ImageClassifier:
    return ImageClassifier(nn.Flatten(), classes=classes, input_shape=shape, bounds=bounds)

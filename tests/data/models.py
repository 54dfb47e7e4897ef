"""Untrained classifiers: loaders only ask for classes, shape and bounds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch import Tensor, nn

from auditkit.data.schema import Feature, Schema
from auditkit.models.builtin.graph_convolution import GraphConvolution
from auditkit.models.classifier import ImageClassifier, TextClassifier
from auditkit.models.graphs import GraphClassifier
from auditkit.models.tabular import TabularClassifier, width_of


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


SCHEMA = Schema(
    (
        Feature(name="age", integer=True, mean=40.0, std=10.0, low=18.0, high=90.0),
        Feature(name="work", kind="categorical", categories=("State", "Private"), missing=True),
        Feature(name="wage", mean=1.0, std=2.0, missing=True),
    )
)


def table_model(
    classes: Sequence[str] = ("no", "yes"), *, schema: Schema = SCHEMA
) -> TabularClassifier:
    d = sum(map(width_of, schema.features))
    layer = nn.Linear(d, len(classes))
    rng = torch.Generator().manual_seed(0)
    for value in layer.parameters():
        value.data.copy_(torch.randn(value.shape, generator=rng))
    return TabularClassifier(layer, schema=schema, classes=classes)


def graph_model(
    classes: Sequence[str] = ("no", "yes"), *, tags: Sequence[str] = ("C", "O", "N")
) -> GraphClassifier:
    module = GraphConvolution(inputs=len(tags), width=4, depth=2, n_classes=len(classes))
    return GraphClassifier(module, tags=tags, classes=classes)

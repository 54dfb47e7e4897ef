"""Convolutional network over words: phrases of three, four and five words, wherever they stand."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from auditkit.data.sst2 import CLASSES, TERMS
from auditkit.models.builtin._words import (
    SST2_LIMITS,
    TextNetwork,
    embedding,
    highest,
)
from auditkit.models.card import Config, ModelCard, Recipe, Shapes

WIDTHS = (3, 4, 5)  # words per phrase


@final
class TextCnn(TextNetwork):
    """A text classifier whose filters look for phrases and keep the best match of each text.

    Parameters
    ----------
    vocabulary_size : int
        Tokens that have an embedding; id 0 is padding.
    width : int
        Features per token.
    filters : int
        Phrases that are looked for, per length of phrase.
    n_classes : int
        Number of logits.

    References
    ----------
    Kim, 2014, doi:10.3115/v1/D14-1181, section 2 (CNN-rand).
    """

    def __init__(
        self, *, vocabulary_size: int, width: int = 48, filters: int = 64, n_classes: int = 2
    ) -> None:
        super().__init__()
        self.config = {
            "vocabulary_size": vocabulary_size,
            "width": width,
            "filters": filters,
            "n_classes": n_classes,
        }
        self.tokens = embedding(vocabulary_size, width)
        self.phrases = nn.ModuleList([nn.Conv1d(width, filters, words) for words in WIDTHS])
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(len(WIDTHS) * filters, n_classes)

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Map embeddings (n, t, width) and mask (n, t), True at real tokens, to logits (n, k)."""
        x = self.dropout(embeddings) * mask[:, :, None]  # behind the end of a text all is zero
        matches = [highest(_along(x, phrase), mask) for phrase in self.phrases]
        return self.head(self.dropout(torch.cat(matches, dim=1).relu()))

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        vocabulary_size, width = shapes["tokens.weight"]
        return {
            "vocabulary_size": vocabulary_size,
            "width": width,
            "filters": shapes["phrases.0.weight"][0],
            "n_classes": shapes["head.weight"][0],
        }


def _along(x: Tensor, phrase: nn.Module) -> Tensor:
    """Map tokens (n, t, width) to matches (n, t, filters) of the phrases that begin at each."""
    assert isinstance(phrase, nn.Conv1d)
    words = phrase.kernel_size[0]
    longer = functional.pad(x.transpose(1, 2), (0, words - 1))  # (n, width, t + words - 1)
    return phrase(longer).transpose(1, 2)


CARDS = (
    ModelCard(
        name="sst2-textcnn",
        summary="A convolutional network that tells praise from complaint in film reviews.",
        build=TextCnn,
        config={"vocabulary_size": 6000, "width": 48, "filters": 64, "n_classes": 2},
        data="sst2",
        modality="text",
        classes=CLASSES,
        source="Kim, 2014, doi:10.3115/v1/D14-1181 (CNN-rand)",
        recipe=Recipe(
            seed=0,
            epochs=8,
            batch_size=64,
            learning_rate=2e-3,
            weight_decay=0.01,
            word_dropout=0.1,
        ),
        limits=SST2_LIMITS,
        terms=TERMS,
    ),
)

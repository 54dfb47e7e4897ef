"""Decoder transformer over words: no token sees a later one, the last word gives the class."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from auditkit.data.sst2 import CLASSES, TERMS
from auditkit.models.builtin._attention import Block, causal, positions
from auditkit.models.builtin._words import (
    SST2_LIMITS,
    TextNetwork,
    embedding,
    last,
    word_loss,
)
from auditkit.models.card import Config, ModelCard, Recipe, Shapes


@final
class DecoderTransformer(TextNetwork):
    """A text classifier that reads from left to right and answers from the last real token.

    Parameters
    ----------
    vocabulary_size : int
        Tokens that have an embedding; id 0 is padding.
    max_length : int
        Longest text in tokens.
    width : int
        Features per token, a multiple of 16.
    depth : int
        Attention blocks.
    n_classes : int
        Number of logits.

    References
    ----------
    Radford et al., 2018, "Improving language understanding by generative pre-training", sections
    3.1 and 3.2; pre-norm as in Xiong et al., 2020, arXiv:2002.04745.
    """

    def __init__(
        self,
        *,
        vocabulary_size: int,
        max_length: int,
        width: int = 48,
        depth: int = 2,
        n_classes: int = 2,
    ) -> None:
        super().__init__()
        self.config = {
            "vocabulary_size": vocabulary_size,
            "max_length": max_length,
            "width": width,
            "depth": depth,
            "n_classes": n_classes,
        }
        self.tokens = embedding(vocabulary_size, width)
        self.positions = positions(max_length, width)
        # Not "blocks": names alone tell these weights from those of an encoder.
        self.causal_blocks = nn.ModuleList([Block(width) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, n_classes)

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Map embeddings (n, t, width) and mask (n, t), True at real tokens, to logits (n, k)."""
        return self.head(last(self.features(embeddings, mask), mask))

    def features(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Map embeddings (n, t, width) to features (n, t, width) of each text up to each token."""
        t = embeddings.shape[1]
        x = embeddings + self.positions[:t]
        allowed = mask[:, None, :] & causal(t, mask.device)
        for block in self.causal_blocks:
            x = block(x, allowed)
        return self.norm(x)

    def language_loss(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the mean loss of guessing each next word."""
        x = self.features(self.embed(ids), mask)
        following = mask[:, 1:]
        return word_loss(x[:, :-1][following], ids[:, 1:][following], self.tokens)

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        vocabulary_size, width = shapes["tokens.weight"]
        return {
            "vocabulary_size": vocabulary_size,
            "max_length": shapes["positions"][0],
            "width": width,
            "depth": sum(name.endswith(".attention.project.weight") for name in shapes),
            "n_classes": shapes["head.weight"][0],
        }


CARDS = (
    ModelCard(
        name="sst2-decoder",
        summary="A decoder transformer that tells praise from complaint in film reviews.",
        build=DecoderTransformer,
        config={
            "vocabulary_size": 6000,
            "max_length": 64,
            "width": 48,
            "depth": 2,
            "n_classes": 2,
        },
        data="sst2",
        modality="text",
        classes=CLASSES,
        source="Radford et al., 2018 (GPT)",
        recipe=Recipe(
            seed=0,
            epochs=5,
            batch_size=64,
            learning_rate=2e-3,
            weight_decay=0.01,
            word_dropout=0.3,
            pretraining_epochs=4,
        ),
        limits=SST2_LIMITS,
        terms=TERMS,
    ),
)

"""Encoder-decoder transformer over words: a start token asks the encoded text for the class."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from auditkit.data.sst2 import CLASSES, TERMS
from auditkit.models.builtin._attention import (
    Attention,
    Block,
    attend,
    causal,
    check_width,
    mlp,
    positions,
)
from auditkit.models.builtin._words import (
    SST2_LIMITS,
    TextNetwork,
    embedding,
    hide_words,
    word_loss,
)
from auditkit.models.card import Config, ModelCard, Recipe, Shapes


@final
class EncoderDecoderTransformer(TextNetwork):
    """A text classifier whose answer is the first thing that a decoder says about the text.

    The encoder reads all words at once. The decoder writes from left to right, looking at what it
    has written and, by cross attention, at the encoded text. To classify it writes nothing: the
    class is read from its start token, which has only itself to attend to. In pretraining it
    writes the text that the encoder was shown with hidden words.

    Parameters
    ----------
    vocabulary_size : int
        Tokens that have an embedding; id 0 is padding.
    max_length : int
        Longest text in tokens.
    width : int
        Features per token, a multiple of 16.
    depth : int
        Attention blocks of the encoder, and of the decoder.
    n_classes : int
        Number of logits.

    References
    ----------
    Vaswani et al., 2017, arXiv:1706.03762, section 3.1; the class as the decoder's answer as in
    Raffel et al., 2020, arXiv:1910.10683 (T5); writing the whole text again as in Lewis et al.,
    2020, arXiv:1910.13461 (BART).
    """

    def __init__(
        self,
        *,
        vocabulary_size: int,
        max_length: int,
        width: int = 48,
        depth: int = 1,
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
        self.tokens = embedding(
            vocabulary_size, width
        )  # encoder and decoder share words and places
        self.positions = positions(max_length, width)
        self.start = positions(1, width)
        self.encoder = nn.ModuleList([Block(width) for _ in range(depth)])
        self.encoded_norm = nn.LayerNorm(width)
        self.decoder = nn.ModuleList([_DecoderBlock(width) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, n_classes)

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Map embeddings (n, t, width) and mask (n, t), True at real tokens, to logits (n, k)."""
        written = self.start.expand(len(embeddings), 1, -1)
        x = self.decode(written, self.encode(embeddings, mask), mask)
        return self.head(x[:, 0])

    def encode(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Map embeddings (n, t, width) to the encoded text, (n, t, width)."""
        x = embeddings + self.positions[: embeddings.shape[1]]
        for block in self.encoder:
            x = block(x, mask[:, None, :])
        return self.encoded_norm(x)

    def decode(self, written: Tensor, encoded: Tensor, mask: Tensor) -> Tensor:
        """Map what is written (n, s, width) to what is to come after each token, (n, s, width)."""
        s = written.shape[1]
        x = written + self.positions[:s]
        allowed = causal(s, mask.device)[None]
        for block in self.decoder:
            x = block(x, allowed, encoded, mask[:, None, :])
        return self.norm(x)

    def language_loss(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the mean loss of writing a text that is shown with hidden words."""
        seen, _ = hide_words(ids, mask, self.tokens.num_embeddings)
        start = self.start.expand(len(ids), 1, -1)
        written = torch.cat([start, self.embed(ids[:, 1:-1])], dim=1)  # ids begin with [CLS]
        x = self.decode(written, self.encode(self.embed(seen), mask), mask)
        following = mask[:, 1:]
        return word_loss(x[following], ids[:, 1:][following], self.tokens)

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        vocabulary_size, width = shapes["tokens.weight"]
        return {
            "vocabulary_size": vocabulary_size,
            "max_length": shapes["positions"][0],
            "width": width,
            "depth": sum(name.endswith(".cross_attention.query.weight") for name in shapes),
            "n_classes": shapes["head.weight"][0],
        }


@final
class _DecoderBlock(nn.Module):
    """Attention to what is written, then to the encoded text, then two layers within each token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = Attention(width)
        self.norm_cross_attention = nn.LayerNorm(width)
        self.cross_attention = _CrossAttention(width)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = mlp(width)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor, allowed: Tensor, encoded: Tensor, readable: Tensor) -> Tensor:
        """Map tokens (n, s, width) to tokens of the same shape, with encoded (n, t, width)."""
        x = x + self.dropout(self.attention(self.norm_attention(x), allowed))
        found = self.cross_attention(self.norm_cross_attention(x), encoded, readable)
        x = x + self.dropout(found)
        return x + self.dropout(self.mlp(self.norm_mlp(x)))


@final
class _CrossAttention(nn.Module):
    """Each written token becomes a weighted mean of the encoded ones, per head."""

    def __init__(self, width: int) -> None:
        super().__init__()
        check_width(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.project = nn.Linear(width, width)

    def forward(self, x: Tensor, encoded: Tensor, readable: Tensor) -> Tensor:
        """Map tokens (n, s, width) to tokens of the same shape; for `readable` see `attend`."""
        key, value = self.key_value(encoded).chunk(2, dim=2)  # each (n, t, width)
        return self.project(attend(self.query(x), key, value, readable))


CARDS = (
    ModelCard(
        name="sst2-encoder-decoder",
        summary="An encoder-decoder transformer that tells praise from complaint in film reviews.",
        build=EncoderDecoderTransformer,
        config={
            "vocabulary_size": 6000,
            "max_length": 64,
            "width": 48,
            "depth": 1,
            "n_classes": 2,
        },
        data="sst2",
        modality="text",
        classes=CLASSES,
        source="Raffel et al., 2020, arXiv:1910.10683 (T5)",
        # Five passes of pretraining cost three points on the validation split: it learns to copy.
        recipe=Recipe(
            seed=0,
            epochs=5,
            batch_size=64,
            learning_rate=2e-3,
            weight_decay=0.01,
            word_dropout=0.3,
        ),
        limits=SST2_LIMITS,
        terms=TERMS,
    ),
)

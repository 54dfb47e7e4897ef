"""Small encoder transformer over words: pre-norm attention under a padding mask, [CLS] head."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

import torch
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors, trainers
from tokenizers.models import WordLevel
from torch import Tensor, nn

from auditkit.errors import ConfigError
from auditkit.models.card import Config, ModelCard, Recipe, Shapes

HEAD = 16  # features per attention head
SPECIAL = ("[PAD]", "[UNK]", "[CLS]")  # ids 0, 1, 2


def word_tokenizer(texts: Iterable[str], *, vocabulary_size: int, max_length: int) -> Tokenizer:
    """Return a tokenizer that lower-cases and splits into words and runs of punctuation.

    Parameters
    ----------
    texts : iterable of str
        Training texts; their most frequent words become the vocabulary.
    vocabulary_size : int
        Highest number of words, the three special tokens included; the rest reads as [UNK].
    max_length : int
        Tokens per text, [CLS] included; longer texts are cut.

    Examples
    --------
    >>> words = word_tokenizer(["A fine day."], vocabulary_size=10, max_length=8)
    >>> words.encode("a fine night!").tokens
    ['[CLS]', 'a', 'fine', '[UNK]', '[UNK]']
    """
    tokenizer = Tokenizer(WordLevel(unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(
        texts,
        trainers.WordLevelTrainer(
            vocab_size=vocabulary_size, special_tokens=list(SPECIAL), show_progress=False
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", SPECIAL.index("[CLS]"))]
    )
    tokenizer.enable_truncation(max_length)
    return tokenizer


@final
class PhrasesTransformer(nn.Module):
    """A text classifier in two steps: `embed`, then `forward_embeddings`.

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
    Vaswani et al., 2017, arXiv:1706.03762; pre-norm as in Xiong et al., 2020, arXiv:2002.04745;
    [CLS] head as in Devlin et al., 2019, arXiv:1810.04805.
    """

    def __init__(
        self,
        *,
        vocabulary_size: int,
        max_length: int,
        width: int = 64,
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
        # Words and positions start at one scale; with the default of 1 words drown positions out.
        self.tokens = nn.Embedding(vocabulary_size, width, padding_idx=0)
        nn.init.normal_(self.tokens.weight[1:], std=0.1)
        self.positions = nn.Parameter(torch.randn(max_length, width) * 0.1)
        self.blocks = nn.ModuleList([_Block(width) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, n_classes)

    def embed(self, ids: Tensor) -> Tensor:
        """Map token ids (n, t) to embeddings (n, t, width), before positions are added."""
        return self.tokens(ids)

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Map embeddings (n, t, width) and mask (n, t), True at real tokens, to logits (n, k)."""
        x = embeddings + self.positions[: embeddings.shape[1]]
        for block in self.blocks:
            x = block(x, mask)
        return self.head(self.norm(x[:, 0]))  # [CLS] is the first token of every text

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Map token ids (n, t) and mask (n, t) to logits (n, k)."""
        return self.forward_embeddings(self.embed(ids), mask)

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


@final
class _Block(nn.Module):
    """Attention between tokens, then two layers within each; both added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = _Attention(width)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map tokens (n, t, width) to tokens of the same shape."""
        x = x + self.dropout(self.attention(self.norm_attention(x), mask))
        return x + self.dropout(self.mlp(self.norm_mlp(x)))


@final
class _Attention(nn.Module):
    """Each token becomes a weighted mean of the real tokens, per head."""

    def __init__(self, width: int) -> None:
        super().__init__()
        if width % HEAD:
            raise ConfigError(f"width is {width}, expected a multiple of {HEAD}.")
        self.heads = width // HEAD
        self.query_key_value = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map tokens (n, t, width) to tokens of the same shape; padding is not looked at."""
        n, t, width = x.shape
        parts = self.query_key_value(x).view(n, t, 3, self.heads, HEAD)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each (n, heads, t, HEAD)
        scores = query @ key.transpose(2, 3) * HEAD**-0.5  # (n, heads, t, t)
        weights = scores.masked_fill(~mask[:, None, None, :], -torch.inf).softmax(dim=3)
        mixed = (weights @ value).transpose(1, 2).reshape(n, t, width)
        return self.project(mixed)


RECIPE = Recipe(
    seed=0,
    epochs=10,
    batch_size=64,
    learning_rate=2e-3,
    weight_decay=0.01,
    word_dropout=0.03,
)

VOCABULARY_SIZE = 2000  # upper limit when the tokenizer is built; the grammar has fewer words
MAX_LENGTH = 48

CARD = ModelCard(
    name="phrases-transformer",
    summary="A small encoder transformer that tells praise from complaint in short sentences.",
    build=PhrasesTransformer,
    config_of=PhrasesTransformer.config_of,
    config={
        "vocabulary_size": 289,
        "max_length": MAX_LENGTH,
        "width": 64,
        "depth": 2,
        "n_classes": 2,
    },
    data="phrases",
    classes=("negative", "positive"),
    weights="phrases_transformer.safetensors",
    sha256="3dec64d573c54461b509c6d5bec0fdf3a22ebb9c3adb8d49f54ebe33243e8541",
    source="Vaswani et al., 2017, arXiv:1706.03762 (transformer encoder)",
    recipe=RECIPE,
    correct=997,
    n=1000,
    parameters=121794,
    limits=(
        "Knows only the words of its grammar; every other word reads as [UNK].",
        "Its accuracy says nothing about sentences that people wrote.",
    ),
    terms="Sentences generated by auditkit, Apache-2.0.",
)

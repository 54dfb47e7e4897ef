"""What the built-in text networks share: words become vectors, and vectors predict words again."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from auditkit.models.card import Network
from auditkit.models.tokenizer import SPECIAL, UNK

SST2_LIMITS = (
    "Trained on 6,920 sentences without any pretrained vectors; rare words read as [UNK].",
    "Knows only sentences of English film reviews; it answers whatever it is shown.",
)


class TextNetwork(Network):
    """A text classifier in two steps: `embed`, then `forward_embeddings`."""

    tokens: nn.Embedding

    def embed(self, ids: Tensor) -> Tensor:
        """Map token ids (n, t) to embeddings (n, t, width), before positions are added."""
        return self.tokens(ids)

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Map embeddings (n, t, width) and mask (n, t), True at real tokens, to logits (n, k)."""
        raise NotImplementedError

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Map token ids (n, t) and mask (n, t) to logits (n, k)."""
        return self.forward_embeddings(self.embed(ids), mask)


def embedding(vocabulary_size: int, width: int) -> nn.Embedding:
    """Return one vector per token, zeros for padding."""
    tokens = nn.Embedding(vocabulary_size, width, padding_idx=0)
    nn.init.normal_(tokens.weight[1:], std=0.1)  # with the default of 1 words drown positions out
    return tokens


def highest(features: Tensor, mask: Tensor) -> Tensor:
    """Return the maximum (n, d) of features (n, t, d) over the real tokens."""
    return features.masked_fill(~mask[:, :, None], -torch.inf).amax(dim=1)


def mean(features: Tensor, mask: Tensor) -> Tensor:
    """Return the mean (n, d) of features (n, t, d) over the real tokens."""
    real = mask[:, :, None]
    return (features * real).sum(dim=1) / real.sum(dim=1)


def last(features: Tensor, mask: Tensor) -> Tensor:
    """Return the features (n, d) of the last real token, of features (n, t, d)."""
    where = torch.arange(mask.shape[1], device=mask.device).mul(mask).amax(dim=1)  # (n,)
    return features[torch.arange(len(features), device=mask.device), where]


def hide_words(ids: Tensor, mask: Tensor, vocabulary_size: int) -> tuple[Tensor, Tensor]:
    """Return ids (n, t) with some words hidden, and where (n, t) they are to be guessed.

    Of the known words 15 % are chosen; 80 % of these become [UNK], 10 % become any word and 10 %
    stay. [UNK] stands in for BERT's [MASK], so that nothing is learnt about a token that no text
    has. Draws come from torch's global generator, as for dropout.

    References
    ----------
    Devlin et al., 2019, arXiv:1810.04805, section 3.1.
    """
    chance, fate = torch.rand(2, *ids.shape, device=ids.device)  # each (n, t)
    chosen = mask & (ids >= len(SPECIAL)) & (chance < 0.15)
    any_word = torch.randint(len(SPECIAL), vocabulary_size, ids.shape, device=ids.device)
    replaced = torch.where(fate < 0.8, UNK, torch.where(fate < 0.9, any_word, ids))
    return torch.where(chosen, replaced, ids), chosen


def word_loss(features: Tensor, words: Tensor, tokens: nn.Embedding) -> Tensor:
    """Return the mean cross-entropy in nats of telling words (m,) from features (m, width).

    The embeddings serve as output weights (Press and Wolf, 2017, arXiv:1608.05859), so that a
    language model ships no other numbers than its classifier. Special tokens are never told.
    """
    known = words >= len(SPECIAL)
    scores = features[known] @ tokens.weight[len(SPECIAL) :].T
    loss = functional.cross_entropy(scores, words[known] - len(SPECIAL), reduction="sum")
    return loss / known.sum().clamp(min=1)  # a batch may hold no known word

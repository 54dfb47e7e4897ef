"""Transformer encoder over words whose layers are experts: each token is sent to two of them."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from auditkit.data.sst2 import CLASSES, TERMS
from auditkit.errors import ConfigError
from auditkit.models.builtin._attention import Attention, mlp, positions
from auditkit.models.builtin._words import SST2_LIMITS, TextNetwork, embedding, mean
from auditkit.models.card import Config, ModelCard, Recipe, Shapes

CHOSEN = 2  # experts per token
BALANCE = 0.01  # weight of the balancing loss


@final
class MixtureOfExperts(TextNetwork):
    """A text classifier in which a router chooses, for every token, who works on it.

    There is no limit to how many tokens an expert takes, so that a text's logits do not depend on
    the other texts of its batch.

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
    experts : int
        Experts per block, two or more.
    n_classes : int
        Number of logits.

    References
    ----------
    Shazeer et al., 2017, arXiv:1701.06538, section 2 (experts, gates); Fedus et al., 2022,
    arXiv:2101.03961, section 2.2 (balancing).
    """

    def __init__(
        self,
        *,
        vocabulary_size: int,
        max_length: int,
        width: int = 48,
        depth: int = 2,
        experts: int = 4,
        n_classes: int = 2,
    ) -> None:
        super().__init__()
        if experts < CHOSEN:
            raise ConfigError(f"experts is {experts}, expected {CHOSEN} or more.")
        self.config = {
            "vocabulary_size": vocabulary_size,
            "max_length": max_length,
            "width": width,
            "depth": depth,
            "experts": experts,
            "n_classes": n_classes,
        }
        self.tokens = embedding(vocabulary_size, width)
        self.positions = positions(max_length, width)
        self.blocks = nn.ModuleList([_Block(width, experts) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, n_classes)
        self._imbalance: Tensor | None = None  # of the last training step

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Map embeddings (n, t, width) and mask (n, t), True at real tokens, to logits (n, k)."""
        x = embeddings + self.positions[: embeddings.shape[1]]
        total = x.new_zeros(())
        for block in self.blocks:
            x, imbalance = block(x, mask)
            total = total + imbalance
        self._imbalance = total if self.training else None
        # Not [CLS] alone: of the last block only the experts of that one token would count.
        return self.head(mean(self.norm(x), mask))

    def auxiliary_loss(self) -> Tensor:
        """Hand out, once, what training adds to the loss of the last forward pass."""
        assert self._imbalance is not None
        imbalance, self._imbalance = self._imbalance, None  # a kept graph could not be copied
        return BALANCE * imbalance

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        vocabulary_size, width = shapes["tokens.weight"]
        return {
            "vocabulary_size": vocabulary_size,
            "max_length": shapes["positions"][0],
            "width": width,
            "depth": sum(name.endswith(".attention.project.weight") for name in shapes),
            "experts": shapes["blocks.0.mixture.router.weight"][0],
            "n_classes": shapes["head.weight"][0],
        }


@final
class _Block(nn.Module):
    """Attention between tokens, then experts for each; both added to what came in."""

    def __init__(self, width: int, experts: int) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = Attention(width)
        self.norm_mixture = nn.LayerNorm(width)
        self.mixture = _Mixture(width, experts)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return tokens of the shape of x, (n, t, width), and the imbalance of the experts."""
        x = x + self.dropout(self.attention(self.norm_attention(x), mask[:, None, :]))
        mixed, imbalance = self.mixture(self.norm_mixture(x), mask)
        return x + self.dropout(mixed), imbalance


@final
class _Mixture(nn.Module):
    """Each real token goes to the experts that its router rates highest; their answers are mixed.

    The two ratings become weights by a softmax (Shazeer et al., 2017, equations 2, 3 and 5).
    """

    def __init__(self, width: int, experts: int) -> None:
        super().__init__()
        self.router = nn.Linear(width, experts, bias=False)
        self.experts = nn.ModuleList([mlp(width) for _ in range(experts)])

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return tokens of the shape of x, (n, t, width), zeros at padding, and the imbalance."""
        real = x[mask]  # (m, width)
        ratings = self.router(real)  # (m, experts)
        best, chosen = ratings.topk(CHOSEN, dim=1)  # each (m, CHOSEN)
        weights = best.softmax(dim=1)
        mixed = torch.zeros_like(real)
        for number, expert in enumerate(self.experts):
            token, rank = (chosen == number).nonzero(as_tuple=True)
            mixed = mixed.index_add(0, token, weights[token, rank, None] * expert(real[token]))
        everywhere = torch.zeros_like(x).masked_scatter(mask[:, :, None], mixed)
        return everywhere, _imbalance(ratings, chosen)


def _imbalance(ratings: Tensor, chosen: Tensor) -> Tensor:
    """Return 1 where all experts are used equally, and up to their number where few are.

    `ratings` is (m, experts) and `chosen` (m, CHOSEN); see Fedus et al., 2022, equations 4 to 6.
    """
    experts = ratings.shape[1]
    used = functional.one_hot(chosen, experts).float().mean(dim=(0, 1))  # (experts,)
    wanted = ratings.softmax(dim=1).mean(dim=0)  # (experts,); unlike `used` it has a gradient
    return experts * (used * wanted).sum()


CARDS = (
    ModelCard(
        name="sst2-mixture-of-experts",
        summary="A transformer with routed experts that tells praise from complaint in reviews.",
        build=MixtureOfExperts,
        config={
            "vocabulary_size": 6000,
            "max_length": 64,
            "width": 48,
            "depth": 1,
            "experts": 4,
            "n_classes": 2,
        },
        data="sst2",
        modality="text",
        classes=CLASSES,
        source="Shazeer et al., 2017, arXiv:1701.06538",
        recipe=Recipe(
            seed=0,
            epochs=5,
            batch_size=64,
            learning_rate=2e-3,
            weight_decay=0.01,
            word_dropout=0.3,
        ),
        limits=(
            *SST2_LIMITS,
            "Logits jump where a token changes its experts; gradients do not see that.",
        ),
        terms=TERMS,
    ),
)

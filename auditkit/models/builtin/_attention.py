"""Attention between tokens, written out, for the built-in transformers over words."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from auditkit.errors import ConfigError

HEAD = 16  # features per attention head


@final
class Block(nn.Module):
    """Attention between tokens, then two layers within each; both added to what came in.

    References
    ----------
    Vaswani et al., 2017, arXiv:1706.03762, section 3; normalised before instead of after, as in
    Xiong et al., 2020, arXiv:2002.04745.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = Attention(width)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = mlp(width)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor, allowed: Tensor) -> Tensor:
        """Map tokens (n, t, width) to tokens of the same shape; for `allowed` see `attend`."""
        x = x + self.dropout(self.attention(self.norm_attention(x), allowed))
        return x + self.dropout(self.mlp(self.norm_mlp(x)))


@final
class Attention(nn.Module):
    """Each token becomes a weighted mean of the tokens it may look at, per head."""

    def __init__(self, width: int) -> None:
        super().__init__()
        check_width(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(self, x: Tensor, allowed: Tensor) -> Tensor:
        """Map tokens (n, t, width) to tokens of the same shape; for `allowed` see `attend`."""
        query, key, value = self.query_key_value(x).chunk(3, dim=2)  # each (n, t, width)
        return self.project(attend(query, key, value, allowed))


def attend(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor) -> Tensor:
    """Return the means of `value` (n, s, width), weighted by how well each query fits each key.

    Parameters
    ----------
    query : Tensor
        (n, t, width), of the tokens that look.
    key, value : Tensor
        (n, s, width), of the tokens that are looked at.
    allowed : Tensor
        (n or 1, t or 1, s) bool, which query may look at which key; each at one or more.
    """
    query, key, value = (_per_head(one) for one in (query, key, value))
    scores = query @ key.transpose(2, 3) * HEAD**-0.5  # (n, heads, t, s)
    weights = scores.masked_fill(~allowed[:, None], -torch.inf).softmax(dim=3)
    return (weights @ value).transpose(1, 2).flatten(2)  # (n, t, width)


def _per_head(x: Tensor) -> Tensor:
    """Split (n, t, width) into (n, heads, t, HEAD)."""
    return x.unflatten(2, (-1, HEAD)).transpose(1, 2)


def causal(t: int, device: torch.device) -> Tensor:
    """Return which of t queries may look at which of t keys: (t, t), at itself and earlier ones."""
    return torch.ones(t, t, dtype=torch.bool, device=device).tril()


def mlp(width: int) -> nn.Sequential:
    """Return two layers that treat each token alone, four times as wide between them."""
    return nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))


def check_width(width: int) -> None:
    """Raise ConfigError unless heads divide `width`."""
    if width % HEAD:
        raise ConfigError(f"width is {width}, expected a multiple of {HEAD}.")


def positions(max_length: int, width: int) -> nn.Parameter:
    """Return one vector per place, of the same scale as words."""
    return nn.Parameter(torch.randn(max_length, width) * 0.1)

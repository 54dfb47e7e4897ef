"""Small transformers for attribution tests: vision transformers of several makes, and one layer."""

from __future__ import annotations

from functools import cache
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Style = Literal["module", "fused", "written"]
CLASSES = 3


class Mixer(nn.Module):
    """One self-attention of two heads, made in one of three ways."""

    def __init__(self, width: int, style: Style, *, batch_first: bool) -> None:
        super().__init__()
        self.style, self.batch_first = style, batch_first
        self.module = nn.MultiheadAttention(width, 2, batch_first=batch_first)

    def forward(self, x: Tensor) -> Tensor:
        if self.style == "module":
            return self.module(x, x, x, need_weights=False)[0]
        x = x if self.batch_first else x.transpose(0, 1)
        packed = functional.linear(x, self.module.in_proj_weight, self.module.in_proj_bias)
        heads = (one.unflatten(2, (2, -1)).transpose(1, 2) for one in packed.chunk(3, dim=2))
        query, key, value = heads  # each (n, 2, t, width / 2)
        if self.style == "fused":
            mixed = functional.scaled_dot_product_attention(query, key, value)
        else:
            scores = query @ key.transpose(2, 3) * query.shape[3] ** -0.5
            mixed = functional.softmax(scores, dim=-1).to(value.dtype) @ value
        mixed = self.module.out_proj(mixed.transpose(1, 2).flatten(2))
        return mixed if self.batch_first else mixed.transpose(0, 1)


class Block(nn.Module):
    def __init__(self, width: int, style: Style, *, batch_first: bool) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mixer = Mixer(width, style, batch_first=batch_first)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mixer(self.before(x))
        return x + self.mlp(self.between(x))


class Vit(nn.Module):
    """Images (n, 3, 16, 16) in 16 patches; the answer from a class token or from their mean."""

    def __init__(
        self,
        style: Style,
        *,
        answer: Literal["first", "last", "mean"] = "first",
        batch_first: bool = True,
        width: int = 16,
        depth: int = 2,
    ) -> None:
        super().__init__()
        self.answer, self.batch_first = answer, batch_first
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.positions = nn.Parameter(torch.randn(1, 16, width) * 0.1)
        self.blocks = nn.Sequential(
            *[Block(width, style, batch_first=batch_first) for _ in range(depth)]
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images).flatten(2).transpose(1, 2) + self.positions
        token = self.token.expand(len(x), -1, -1)
        match self.answer:
            case "first":
                x = torch.cat([token, x], dim=1)
            case "last":
                x = torch.cat([x, token], dim=1)
            case "mean":
                pass
        x = self.blocks(x if self.batch_first else x.transpose(0, 1))
        x = self.norm(x if self.batch_first else x.transpose(0, 1))
        where = {"first": x[:, 0], "last": x[:, -1], "mean": x.mean(dim=1)}
        return self.head(where[self.answer])


def vit(style: Style = "module", *, seed: int = 0, **options: object) -> Vit:
    torch.manual_seed(seed)
    return Vit(style, **options).eval().requires_grad_(False)  # type: ignore[arg-type]


def coloured_patches(n: int, *, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Noise with one patch in a clear colour, the label (n,), and which patch it is (n, 16)."""
    rng = torch.Generator().manual_seed(seed)
    images = 0.5 + 0.1 * torch.randn(n, 3, 4, 4, 4, 4, generator=rng)  # (n, c, row, y, column, x)
    labels = torch.randint(CLASSES, (n,), generator=rng)
    places = torch.randint(16, (n,), generator=rng)
    every = torch.arange(n)
    images[every, labels, places // 4, :, places % 4] += 1.0
    return images.flatten(4).flatten(2, 3), labels, functional.one_hot(places, 16).bool()


@cache
def trained_vit(answer: Literal["first", "mean"], *, depth: int = 2) -> Vit:
    """A vision transformer that has learnt to name the colour of the one coloured patch."""
    model = vit("fused", answer=answer, depth=depth, seed=1).requires_grad_(True).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    images, labels, _ = coloured_patches(64 * 100, seed=0)
    for some, named in zip(images.split(64), labels.split(64), strict=True):
        optimiser.zero_grad()
        functional.cross_entropy(model(some), named).backward()
        optimiser.step()
    for one in model.parameters():
        one.grad = None
    return model.eval().requires_grad_(False)


class OneLayer(nn.Module):
    """Attention of one head from tokens to themselves; values are the tokens, the first answers."""

    def forward(self, tokens: Tensor) -> Tensor:
        weights = (tokens @ tokens.transpose(1, 2)).softmax(dim=-1)  # (n, t, t)
        return (weights @ tokens)[:, 0]  # logits (n, d)

    @staticmethod
    def by_hand(tokens: Tensor) -> Tensor:
        """The attention of tokens (n, t, d), by the definition of a softmax."""
        powers = torch.einsum("ntd,nsd->nts", tokens, tokens).exp()
        return powers / powers.sum(dim=2, keepdim=True)

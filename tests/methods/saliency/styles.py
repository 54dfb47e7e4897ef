"""Small networks that write the same things in different ways, which must not matter."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "functional": functional.relu,
    "functional in place": lambda z: functional.relu(z, inplace=True),
    "method in place": lambda z: z.relu_(),
    "clamp": lambda z: z.clamp_(min=0),
    "where": lambda z: torch.where(z > 0, z, 0.0),
    "times mask": lambda z: z * (z > 0),
    "maximum": lambda z: torch.maximum(z, torch.zeros(())),
    "gelu": functional.gelu,
    "gelu, tanh": lambda z: functional.gelu(z, approximate="tanh"),
    "silu": functional.silu,
    "z sigmoid(z)": lambda z: z * z.sigmoid(),
    "softplus": functional.softplus,
    "leaky relu": lambda z: functional.leaky_relu_(z, 0.1),
    "elu": functional.elu,
    "relu6": nn.ReLU6(inplace=True),
    "hardswish": nn.Hardswish(inplace=True),
    "hardsigmoid": functional.hardsigmoid,
    "tanh": torch.tanh_,
    "sorted": lambda z: z.sort(dim=2).values.cos(),
    "rounded": lambda z: z + ((8 * z).round() / 8 - z).detach(),
}
RELUS = ("functional", "functional in place", "method in place", "clamp", "where", "maximum")
MODULES = ("module", "reused", "in place")
ATTENTIONS = ("multi-head", "time first", "scaled dot product", "encoder layer")


class Convolutions(nn.Module):
    """Three convolutions, a residual sum and a pooling; `module` has a ReLU for each use."""

    def __init__(self, style: str, *, bias: bool = True, pool: str = "max") -> None:
        super().__init__()
        self.style, self.pool = style, pool
        self.convolutions = nn.ModuleList(
            nn.Conv2d(3 if i == 0 else 6, 6, 3, padding=1, bias=bias) for i in range(3)
        )
        self.norm = nn.BatchNorm2d(6) if bias else None
        self.relus = nn.ModuleList(nn.ReLU(inplace=style == "in place") for _ in range(3))
        self.head = nn.Linear(6 * 16, 5, bias=bias)

    def activate(self, z: Tensor, place: int) -> Tensor:
        if self.style in MODULES:
            return self.relus[place if self.style == "module" else 0](z)
        return ACTIVATIONS[self.style](z)

    def forward(self, images: Tensor) -> Tensor:
        x = self.activate(self.convolutions[0](images), 0)
        z = self.convolutions[1](x)
        x = self.activate(z if self.norm is None else self.norm(z), 1) + x
        pooled = functional.max_pool2d if self.pool == "max" else functional.avg_pool2d
        x = pooled(x, 2)
        return self.head(self.activate(self.convolutions[2](x), 2).flatten(1))


class Attending(nn.Module):
    """A vision transformer of one block, around one of torch's ways to attend."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.patches = nn.Conv2d(3, 16, 2, 2)
        self.norms = nn.ModuleList(nn.LayerNorm(16) for _ in range(2))
        self.joint = nn.MultiheadAttention(16, 2, batch_first=kind != "time first")
        self.split, self.project = nn.Linear(16, 48), nn.Linear(16, 16)
        self.mlp = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.head = nn.Linear(16, 5)

    def attend(self, z: Tensor) -> Tensor:
        if self.kind == "multi-head":
            return self.joint(z, z, z)[0]
        if self.kind == "time first":
            z = z.transpose(0, 1)
            return self.joint(z, z, z, need_weights=False)[0].transpose(0, 1)
        parts = (one.unflatten(2, (2, 8)).transpose(1, 2) for one in self.split(z).chunk(3, -1))
        mixed = functional.scaled_dot_product_attention(*parts)
        return self.project(mixed.transpose(1, 2).flatten(2))

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images).flatten(2).transpose(1, 2)  # (n, 16, 16)
        if self.kind == "encoder layer":
            return self.head(self.layer(x).mean(1))
        x = x + self.attend(self.norms[0](x))
        return self.head((x + self.mlp(self.norms[1](x))).mean(1))


def network(style: str, *, seed: int = 0, bias: bool = True, pool: str = "max") -> nn.Module:
    """A frozen network of 3x8x8 images with five classes."""
    torch.manual_seed(seed)
    if style in ATTENTIONS:
        module: nn.Module = Attending(style)
    else:
        module = Convolutions(style, bias=bias, pool=pool)
    for value in module.parameters():  # larger than by default, so that logits differ
        value.data *= 2
    return module.eval().requires_grad_(False)

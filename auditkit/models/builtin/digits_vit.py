"""Small vision transformer for 8x8 digits: 2x2 patches, pre-norm attention blocks, mean head."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from auditkit.errors import ConfigError
from auditkit.models.card import Config, ModelCard, Recipe, Shapes

PATCH = 2  # pixels per side, so that an image is 16 patches
HEAD = 16  # features per attention head


@final
class DigitsVit(nn.Module):
    """A vision transformer whose attention is written out below.

    Parameters
    ----------
    width : int
        Features per patch, a multiple of 16.
    depth : int
        Attention blocks.
    n_classes : int
        Number of logits.

    References
    ----------
    Dosovitskiy et al., 2021, arXiv:2010.11929, section 3.1; the mean of the patches replaces the
    class token.
    """

    def __init__(self, *, width: int = 64, depth: int = 4, n_classes: int = 10) -> None:
        super().__init__()
        self.config = {"width": width, "depth": depth, "n_classes": n_classes}
        self.patches = nn.Conv2d(1, width, kernel_size=PATCH, stride=PATCH)
        self.positions = nn.Parameter(torch.randn(1, (8 // PATCH) ** 2, width) * 0.02)
        self.blocks = nn.Sequential(*[_Block(width) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 1, 8, 8) in [0, 1] to logits (n, n_classes)."""
        x = self.patches(images).flatten(2).transpose(1, 2)  # (n, 16, width)
        x = self.norm(self.blocks(x + self.positions))
        return self.head(x.mean(dim=1))

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        n_classes, width = shapes["head.weight"]
        depth = sum(name.endswith(".attention.project.weight") for name in shapes)
        _ = shapes["patches.weight"]
        return {"width": width, "depth": depth, "n_classes": n_classes}


@final
class _Block(nn.Module):
    """Attention between patches, then two layers within each; both added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = _Attention(width)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map patches (n, t, width) to patches of the same shape."""
        x = x + self.attention(self.norm_attention(x))
        return x + self.mlp(self.norm_mlp(x))


@final
class _Attention(nn.Module):
    """Each patch becomes a weighted mean of all patches, per head."""

    def __init__(self, width: int) -> None:
        super().__init__()
        if width % HEAD:
            raise ConfigError(f"width is {width}, expected a multiple of {HEAD}.")
        self.heads = width // HEAD
        self.query_key_value = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map patches (n, t, width) to patches of the same shape."""
        n, t, width = x.shape
        parts = self.query_key_value(x).view(n, t, 3, self.heads, HEAD)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each (n, heads, t, HEAD)
        weights = (query @ key.transpose(2, 3) * HEAD**-0.5).softmax(dim=3)  # (n, heads, t, t)
        mixed = (weights @ value).transpose(1, 2).reshape(n, t, width)
        return self.project(mixed)


RECIPE = Recipe(
    seed=0,
    epochs=200,
    batch_size=64,
    learning_rate=2e-3,
    weight_decay=0.05,
    shift=0.7,
    rotation=12.0,
    zoom=0.12,
)

CARD = ModelCard(
    name="digits-vit",
    summary="A small vision transformer that reads handwritten digits of 8x8 pixels.",
    build=DigitsVit,
    config_of=DigitsVit.config_of,
    config={"width": 64, "depth": 4, "n_classes": 10},
    data="digits",
    classes=tuple("0123456789"),
    input_shape=(1, 8, 8),
    bounds=(0.0, 1.0),
    weights="digits_vit.safetensors",
    sha256="87f17a6fc0c8eff085fdfb178cde7d093ff2308efd33518b1c58e29cf24dfa0c",
    source="Dosovitskiy et al., 2021, arXiv:2010.11929 (ViT)",
    recipe=RECIPE,
    correct=446,
    n=450,
    parameters=136010,
    limits=(
        "Not trained against adversaries: small worst-case changes fool it.",
        "Knows only single, centred digits; it answers with a digit whatever it is shown.",
    ),
    terms=(
        "Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998,"
        " doi:10.24432/C50P49), CC BY 4.0, as it comes with scikit-learn."
    ),
)

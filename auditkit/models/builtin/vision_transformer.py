"""Vision transformer: square patches, pre-norm attention blocks, mean head."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn

from auditkit.data import cifar10, digits, fashion_mnist
from auditkit.errors import ConfigError
from auditkit.models.card import Config, ModelCard, Network, Recipe, Shapes

HEAD = 16  # features per attention head


@final
class VisionTransformer(Network):
    """A vision transformer whose attention is written out below.

    Parameters
    ----------
    side : int
        Height and width of the image in pixels, a multiple of `patch`.
    channels : int
        Of the image.
    patch : int
        Height and width of a patch in pixels.
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

    def __init__(
        self,
        *,
        side: int = 8,
        channels: int = 1,
        patch: int = 2,
        width: int = 64,
        depth: int = 4,
        n_classes: int = 10,
    ) -> None:
        super().__init__()
        if side % patch:
            raise ConfigError(f"side is {side}, expected a multiple of the patch, {patch}.")
        self.config = {
            "side": side,
            "channels": channels,
            "patch": patch,
            "width": width,
            "depth": depth,
            "n_classes": n_classes,
        }
        self.patches = nn.Conv2d(channels, width, kernel_size=patch, stride=patch)
        self.positions = nn.Parameter(torch.randn(1, (side // patch) ** 2, width) * 0.02)
        self.blocks = nn.Sequential(*[_Block(width) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, channels, side, side) to logits (n, n_classes)."""
        x = self.patches(images).flatten(2).transpose(1, 2)  # (n, t, width)
        x = self.norm(self.blocks(x + self.positions))
        return self.head(x.mean(dim=1))

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        n_classes, width = shapes["head.weight"]
        _, channels, patch, _ = shapes["patches.weight"]
        depth = sum(name.endswith(".attention.project.weight") for name in shapes)
        return {
            "side": patch * math.isqrt(shapes["positions"][1]),
            "channels": channels,
            "patch": patch,
            "width": width,
            "depth": depth,
            "n_classes": n_classes,
        }


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


CARDS = (
    ModelCard(
        name="digits-vit",
        summary="A small vision transformer that reads handwritten digits of 8x8 pixels.",
        build=VisionTransformer,
        config={
            "side": 8,
            "channels": 1,
            "patch": 2,
            "width": 64,
            "depth": 4,
            "n_classes": 10,
        },
        data="digits",
        modality="image",
        classes=digits.CLASSES,
        input_shape=(1, 8, 8),
        bounds=(0.0, 1.0),
        source="Dosovitskiy et al., 2021, arXiv:2010.11929 (ViT)",
        recipe=Recipe(
            seed=0,
            epochs=200,
            batch_size=64,
            learning_rate=2e-3,
            weight_decay=0.05,
            shift=0.7,
            rotation=12.0,
            zoom=0.12,
        ),
        limits=(
            "Not trained against adversaries: small worst-case changes fool it.",
            "Knows only single, centred digits; it answers with a digit whatever it is shown.",
        ),
        terms=digits.TERMS,
    ),
    ModelCard(
        name="fashion-vit",
        summary="A small vision transformer that names pieces of clothing.",
        build=VisionTransformer,
        config={
            "side": 28,
            "channels": 1,
            "patch": 4,
            "width": 64,
            "depth": 4,
            "n_classes": 10,
        },
        data="fashion-mnist",
        modality="image",
        classes=fashion_mnist.CLASSES,
        input_shape=(1, 28, 28),
        bounds=(0.0, 1.0),
        mean=fashion_mnist.MEAN,
        std=fashion_mnist.STD,
        source="Dosovitskiy et al., 2021, arXiv:2010.11929 (ViT)",
        recipe=Recipe(
            seed=0,
            epochs=18,
            batch_size=128,
            learning_rate=2e-3,
            weight_decay=0.05,
            flip=True,
            crop=1,
            precision="bfloat16",
        ),
        limits=(
            "Not trained against adversaries: small worst-case changes fool it.",
            "Answers with a piece of clothing whatever it is shown.",
        ),
        terms=fashion_mnist.TERMS,
    ),
    ModelCard(
        name="cifar-vit",
        summary="A small vision transformer, trained on a fifth of the CIFAR-10 training images.",
        build=VisionTransformer,
        config={
            "side": 32,
            "channels": 3,
            "patch": 4,
            "width": 64,
            "depth": 4,
            "n_classes": 10,
        },
        data="cifar10",
        modality="image",
        classes=cifar10.CLASSES,
        input_shape=(3, 32, 32),
        bounds=(0.0, 1.0),
        mean=cifar10.MEAN,
        std=cifar10.STD,
        source="Dosovitskiy et al., 2021, arXiv:2010.11929 (ViT)",
        recipe=Recipe(
            seed=0,
            epochs=90,
            batch_size=128,
            learning_rate=2e-3,
            weight_decay=0.05,
            label_smoothing=0.05,
            flip=True,
            crop=4,
            cut=8,
            precision="bfloat16",
        ),
        limits=(
            "Not trained against adversaries: small worst-case changes fool it.",
            "A transformer needs more images than that: the residual network beside it is better.",
            "Answers with one of ten classes whatever it is shown.",
        ),
        terms=cifar10.TERMS,
    ),
)

"""DenseNet: every layer reads the maps of all layers before it."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from auditkit.data.fashion_mnist import CLASSES, MEAN, STD, TERMS
from auditkit.models.card import Config, ModelCard, Network, Recipe, Shapes

BOTTLENECK = 4  # a 1x1 convolution gives at most this many times the growth to the 3x3 one


@final
class DenseNet(Network):
    """DenseNet-BC: three dense blocks with bottlenecks, transitions that halve the maps between.

    Parameters
    ----------
    channels : int
        Of the image.
    growth : int
        Channels that each layer adds; the stem gives twice as many.
    depth : int
        Layers per block.
    n_classes : int
        Number of logits.

    References
    ----------
    Huang et al., 2017, arXiv:1608.06993, section 3.
    """

    def __init__(
        self, *, channels: int = 1, growth: int = 12, depth: int = 4, n_classes: int = 10
    ) -> None:
        super().__init__()
        self.config = {
            "channels": channels,
            "growth": growth,
            "depth": depth,
            "n_classes": n_classes,
        }
        first = 2 * growth
        second = (first + depth * growth) // 2
        third = (second + depth * growth) // 2
        last = third + depth * growth
        self.stem = nn.Conv2d(channels, first, kernel_size=3, stride=2, padding=1, bias=False)
        self.blocks = nn.Sequential(
            _block(first, growth, depth),
            _transition(first + depth * growth, second),
            _block(second, growth, depth),
            _transition(second + depth * growth, third),
            _block(third, growth, depth),
        )
        self.norm = nn.BatchNorm2d(last)
        self.head = nn.Linear(last, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, channels, h, w) to logits (n, n_classes)."""
        x = self.norm(self.blocks(self.stem(images))).relu()  # (n, last, h / 8, w / 8)
        return self.head(x.mean(dim=(2, 3)))

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        twice, channels = shapes["stem.weight"][:2]
        depth = sum(
            name.startswith("blocks.0.") and name.endswith(".wide.weight") for name in shapes
        )
        return {
            "channels": channels,
            "growth": twice // 2,
            "depth": depth,
            "n_classes": shapes["head.weight"][0],
        }


@final
class _Layer(nn.Module):
    """What came in, and `growth` new maps beside it."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        inner = BOTTLENECK * growth
        self.norm_point = nn.BatchNorm2d(inputs)
        self.point = nn.Conv2d(inputs, inner, kernel_size=1, bias=False)
        self.norm_wide = nn.BatchNorm2d(inner)
        self.wide = nn.Conv2d(inner, growth, kernel_size=3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map features (n, inputs, h, w) to features (n, inputs + growth, h, w)."""
        new = self.point(self.norm_point(x).relu())
        return torch.cat([x, self.wide(self.norm_wide(new).relu())], dim=1)


def _block(inputs: int, growth: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*[_Layer(inputs + i * growth, growth) for i in range(depth)])


def _transition(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm2d(inputs),
        nn.ReLU(),
        nn.Conv2d(inputs, outputs, kernel_size=1, bias=False),  # half as many maps
        nn.AvgPool2d(2),
    )


CARDS = (
    ModelCard(
        name="fashion-densenet",
        summary="A densely connected network that names pieces of clothing.",
        build=DenseNet,
        config={"channels": 1, "growth": 12, "depth": 4, "n_classes": 10},
        data="fashion-mnist",
        modality="image",
        classes=CLASSES,
        input_shape=(1, 28, 28),
        bounds=(0.0, 1.0),
        mean=MEAN,
        std=STD,
        source="Huang et al., 2017, arXiv:1608.06993 (DenseNet-BC)",
        recipe=Recipe(
            seed=0,
            epochs=15,
            batch_size=128,
            learning_rate=4e-3,
            weight_decay=0.05,
            flip=True,
            crop=2,
            precision="bfloat16",
        ),
        limits=(
            "Not trained against adversaries: small worst-case changes fool it.",
            "Answers with a piece of clothing whatever it is shown.",
        ),
        terms=TERMS,
    ),
)

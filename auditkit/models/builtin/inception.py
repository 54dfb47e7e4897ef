"""Inception (GoogLeNet): kernels of several sizes side by side, their maps concatenated."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from auditkit.data.fashion_mnist import CLASSES, MEAN, STD, TERMS
from auditkit.models.card import Config, ModelCard, Network, Recipe, Shapes


@final
class Inception(Network):
    """Two stages of inception modules, scaled to images of 28x28 pixels.

    Batch normalisation follows every convolution, as in the second version; the auxiliary heads of
    the first, which helped so deep a network to start, are left out.

    Parameters
    ----------
    channels : int
        Of the image.
    width : int
        An even number: channels of the stem. A module gives four times as many.
    depth : int
        Modules per stage.
    n_classes : int
        Number of logits.

    References
    ----------
    Szegedy et al., 2015, arXiv:1409.4842, section 4; Ioffe and Szegedy, 2015, arXiv:1502.03167
    (batch normalisation).
    """

    def __init__(
        self, *, channels: int = 1, width: int = 16, depth: int = 2, n_classes: int = 10
    ) -> None:
        super().__init__()
        self.config = {"channels": channels, "width": width, "depth": depth, "n_classes": n_classes}
        self.stem = _convolution(channels, width, kernel=3)
        self.fine = _stage(width, width, depth)
        self.coarse = _stage(4 * width, width, depth)
        self.pool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(4 * width, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, channels, h, w) to logits (n, n_classes)."""
        x = self.fine(self.pool(self.stem(images)))  # (n, 4 width, h / 2, w / 2)
        x = self.coarse(self.pool(x))  # (n, 4 width, h / 4, w / 4)
        return self.head(self.dropout(x.mean(dim=(2, 3))))

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        width, channels = shapes["stem.0.weight"][:2]
        depth = sum(
            name.startswith("fine.") and name.endswith(".point.0.weight") for name in shapes
        )
        return {
            "channels": channels,
            "width": width,
            "depth": depth,
            "n_classes": shapes["head.weight"][0],
        }


@final
class _Module(nn.Module):
    """Four branches that read the same maps; 1x1 convolutions make the wide ones affordable."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.point = _convolution(inputs, width, kernel=1)
        self.three = nn.Sequential(
            _convolution(inputs, width, kernel=1), _convolution(width, 2 * width, kernel=3)
        )
        self.five = nn.Sequential(
            _convolution(inputs, width // 2, kernel=1),
            _convolution(width // 2, width // 2, kernel=5),
        )
        self.pooled = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1),
            _convolution(inputs, width // 2, kernel=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map features (n, inputs, h, w) to features (n, 4 width, h, w)."""
        return torch.cat([self.point(x), self.three(x), self.five(x), self.pooled(x)], dim=1)


def _stage(inputs: int, width: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*[_Module(4 * width if i else inputs, width) for i in range(depth)])


def _convolution(inputs: int, outputs: int, *, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),  # brings its own bias
        nn.ReLU(),
    )


CARDS = (
    ModelCard(
        name="fashion-inception",
        summary="A network of parallel kernel sizes that names pieces of clothing.",
        build=Inception,
        config={"channels": 1, "width": 16, "depth": 2, "n_classes": 10},
        data="fashion-mnist",
        modality="image",
        classes=CLASSES,
        input_shape=(1, 28, 28),
        bounds=(0.0, 1.0),
        mean=MEAN,
        std=STD,
        source="Szegedy et al., 2015, arXiv:1409.4842 (GoogLeNet)",
        recipe=Recipe(
            seed=0,
            epochs=15,
            batch_size=128,
            learning_rate=3e-3,
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

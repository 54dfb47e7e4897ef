"""VGG: stacks of 3x3 convolutions between 2x2 max pools, and a dense head."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from auditkit.data.fashion_mnist import CLASSES, MEAN, STD, TERMS
from auditkit.models.card import Config, ModelCard, Network, Recipe, Shapes

GRID = 3  # cells per side that the head reads; what 28x28 pixels leave after three pools


@final
class Vgg(Network):
    """Three stacks; two 3x3 kernels in a row see 5x5 pixels with fewer weights than one kernel.

    Batch normalisation, younger than the paper, follows every convolution.

    Parameters
    ----------
    channels : int
        Of the image.
    width : int
        Channels of the first stack; each further stack has twice as many at half the resolution.
    depth : int
        Convolutions per stack.
    n_classes : int
        Number of logits.

    References
    ----------
    Simonyan and Zisserman, 2015, arXiv:1409.1556, section 2; Ioffe and Szegedy, 2015,
    arXiv:1502.03167 (batch normalisation).
    """

    def __init__(
        self, *, channels: int = 1, width: int = 20, depth: int = 2, n_classes: int = 10
    ) -> None:
        super().__init__()
        self.config = {"channels": channels, "width": width, "depth": depth, "n_classes": n_classes}
        self.stacks = nn.Sequential(
            _stack(channels, width, depth),  # (n, width, 14, 14)
            _stack(width, 2 * width, depth),  # (n, 2 width, 7, 7)
            _stack(2 * width, 4 * width, depth),  # (n, 4 width, 3, 3)
        )
        self.grid = nn.AdaptiveAvgPool2d(GRID)  # changes nothing at 28x28
        self.dense = nn.Sequential(
            nn.Linear(4 * width * GRID**2, 4 * width), nn.ReLU(), nn.Dropout(0.5)
        )
        self.head = nn.Linear(4 * width, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, channels, h, w), best of 28x28, to logits (n, n_classes)."""
        return self.head(self.dense(self.grid(self.stacks(images)).flatten(1)))

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        width, channels = shapes["stacks.0.0.weight"][:2]
        convolutions = sum(
            name.startswith("stacks.0.") and len(shapes[name]) == 4 for name in shapes
        )
        return {
            "channels": channels,
            "width": width,
            "depth": convolutions,
            "n_classes": shapes["head.weight"][0],
        }


def _stack(inputs: int, outputs: int, depth: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i in range(depth):
        layers += [
            nn.Conv2d(outputs if i else inputs, outputs, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),  # brings its own bias
            nn.ReLU(),
        ]
    return nn.Sequential(*layers, nn.MaxPool2d(2))


CARDS = (
    ModelCard(
        name="fashion-vgg",
        summary="A plain deep network of small kernels that names pieces of clothing.",
        build=Vgg,
        config={"channels": 1, "width": 20, "depth": 2, "n_classes": 10},
        data="fashion-mnist",
        modality="image",
        classes=CLASSES,
        input_shape=(1, 28, 28),
        bounds=(0.0, 1.0),
        mean=MEAN,
        std=STD,
        source="Simonyan and Zisserman, 2015, arXiv:1409.1556 (VGG)",
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

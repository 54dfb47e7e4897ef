"""AlexNet: large first kernels, overlapping pooling, ReLU, and dropout in a dense head."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from auditkit.data.fashion_mnist import CLASSES, MEAN, STD, TERMS
from auditkit.models.card import Config, ModelCard, Network, Recipe, Shapes

GRID = 2  # cells per side that the head reads; what 28x28 pixels leave


@final
class AlexNet(Network):
    """Five convolutions and three dense layers, scaled to images of 28x28 pixels.

    Kernels have 7, 5, 3, 3 and 3 pixels to a side. Local response normalisation is left out, which
    costs nothing (Simonyan and Zisserman, 2015, arXiv:1409.1556, section 4.1).

    Parameters
    ----------
    channels : int
        Of the image.
    width : int
        Channels of the first convolution; the others have 2, 3, 3 and 2 times as many, and the
        dense layers have 8 times as many units.
    n_classes : int
        Number of logits.

    References
    ----------
    Krizhevsky, Sutskever and Hinton, 2012, ImageNet classification with deep convolutional neural
    networks, section 3.
    """

    def __init__(self, *, channels: int = 1, width: int = 32, n_classes: int = 10) -> None:
        super().__init__()
        self.config = {"channels": channels, "width": width, "n_classes": n_classes}
        self.features = nn.Sequential(
            nn.Conv2d(channels, width, kernel_size=7, padding=3),
            nn.ReLU(),
            _pool(),  # (n, width, 13, 13)
            nn.Conv2d(width, 2 * width, kernel_size=5, padding=2),
            nn.ReLU(),
            _pool(),  # (n, 2 width, 6, 6)
            nn.Conv2d(2 * width, 3 * width, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(3 * width, 3 * width, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(3 * width, 2 * width, kernel_size=3, padding=1),
            nn.ReLU(),
            _pool(),  # (n, 2 width, 2, 2)
            nn.AdaptiveAvgPool2d(GRID),  # changes nothing at 28x28
        )
        self.dense = nn.Sequential(
            nn.Dropout(0.5),
            nn.Linear(2 * width * GRID**2, 8 * width),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(8 * width, 8 * width),
            nn.ReLU(),
        )
        self.head = nn.Linear(8 * width, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, channels, h, w), best of 28x28, to logits (n, n_classes)."""
        return self.head(self.dense(self.features(images).flatten(1)))

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        width, channels = shapes["features.0.weight"][:2]
        return {"channels": channels, "width": width, "n_classes": shapes["head.weight"][0]}


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(kernel_size=3, stride=2)  # windows overlap by one pixel


CARDS = (
    ModelCard(
        name="fashion-alexnet",
        summary="The network of the 2012 ImageNet contest, scaled down to pieces of clothing.",
        build=AlexNet,
        config={"channels": 1, "width": 32, "n_classes": 10},
        data="fashion-mnist",
        modality="image",
        classes=CLASSES,
        input_shape=(1, 28, 28),
        bounds=(0.0, 1.0),
        mean=MEAN,
        std=STD,
        source=(
            "Krizhevsky, Sutskever and Hinton, 2012, ImageNet classification with deep"
            " convolutional neural networks (AlexNet)"
        ),
        recipe=Recipe(
            seed=0,
            epochs=15,
            batch_size=128,
            learning_rate=1e-3,
            weight_decay=0.05,
            flip=True,
            precision="bfloat16",
        ),
        limits=(
            "Not trained against adversaries: small worst-case changes fool it.",
            "Answers with a piece of clothing whatever it is shown.",
        ),
        terms=TERMS,
    ),
)

"""Small convolutional network: strides instead of pooling, one dense layer, then the head."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from auditkit.data.cifar10 import CLASSES, MEAN, STD, TERMS
from auditkit.models.card import Adversarial, Config, ModelCard, Network, Recipe, Shapes


@final
class StridedCnn(Network):
    """Two convolutions with ReLU and a dense layer, for images of 32x32 pixels.

    Networks like this one are what certification is usually shown on.

    Parameters
    ----------
    channels : int
        Of the image.
    width : int
        Channels of the first convolution; the second has twice as many.
    hidden : int
        Numbers between the convolutions and the head.
    n_classes : int
        Number of logits.

    References
    ----------
    Wong and Kolter, 2018, arXiv:1711.00851, section 4.
    """

    def __init__(
        self, *, channels: int = 3, width: int = 16, hidden: int = 100, n_classes: int = 10
    ) -> None:
        super().__init__()
        self.config = {
            "channels": channels,
            "width": width,
            "hidden": hidden,
            "n_classes": n_classes,
        }
        self.first = nn.Conv2d(channels, width, kernel_size=4, stride=2, padding=1)
        self.second = nn.Conv2d(width, 2 * width, kernel_size=4, stride=2, padding=1)
        self.dense = nn.Linear(2 * width * 8 * 8, hidden)
        self.head = nn.Linear(hidden, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, channels, 32, 32) to logits (n, n_classes)."""
        x = self.first(images).relu()  # (n, width, 16, 16)
        x = self.second(x).relu().flatten(1)  # (n, 2 width * 8 * 8)
        return self.head(self.dense(x).relu())

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        width, channels = shapes["first.weight"][:2]
        n_classes, hidden = shapes["head.weight"]
        return {"channels": channels, "width": width, "hidden": hidden, "n_classes": n_classes}


CARDS = (
    ModelCard(
        name="cifar-cnn-adversarial",
        summary="A very small network, trained on worst-case changes of up to 2/255 per pixel.",
        build=StridedCnn,
        config={"channels": 3, "width": 16, "hidden": 100, "n_classes": 10},
        data="cifar10",
        modality="image",
        classes=CLASSES,
        input_shape=(3, 32, 32),
        bounds=(0.0, 1.0),
        mean=MEAN,
        std=STD,
        source="Madry et al., 2018, arXiv:1706.06083 (adversarial training)",
        recipe=Recipe(
            seed=0,
            epochs=60,
            batch_size=128,
            learning_rate=2e-3,
            weight_decay=0.05,
            flip=True,
            crop=4,
            hardening=Adversarial(epsilon=2 / 255, steps=5),
        ),
        limits=(
            "Too small for its task: about four answers in ten are wrong.",
            "Saw 10,000 of the 50,000 training images.",
            "Robust against changes of single pixels in size, not against other kinds of change.",
            "Answers with one of ten classes whatever it is shown.",
        ),
        terms=TERMS,
    ),
)

"""LeNet-5: two convolutions with tanh and average pooling, then a dense head."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from auditkit.data.fashion_mnist import CLASSES, MEAN, STD, TERMS
from auditkit.models.card import Config, ModelCard, Network, Recipe, Shapes


@final
class LeNet5(Network):
    """The classical sizes, 6, 16, 120 and 84, for images of 28x28 pixels.

    The second convolution reads all six maps, and the head is linear; in 1998 some connections were
    left out and the head measured distances to fixed codes.

    Parameters
    ----------
    channels : int
        Of the image.
    n_classes : int
        Number of logits.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, 1998, doi:10.1109/5.726791, section II.B.
    """

    def __init__(self, *, channels: int = 1, n_classes: int = 10) -> None:
        super().__init__()
        self.config = {"channels": channels, "n_classes": n_classes}
        self.first = nn.Conv2d(channels, 6, kernel_size=5, padding=2)  # as if 32x32
        self.second = nn.Conv2d(6, 16, kernel_size=5)
        self.third = nn.Conv2d(16, 120, kernel_size=5)  # sees the whole of its 5x5 map
        self.dense = nn.Linear(120, 84)
        self.head = nn.Linear(84, n_classes)
        self.pool = nn.AvgPool2d(2)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, channels, 28, 28) to logits (n, n_classes)."""
        x = self.pool(self.first(images).tanh())  # (n, 6, 14, 14)
        x = self.pool(self.second(x).tanh())  # (n, 16, 5, 5)
        x = self.third(x).tanh().flatten(1)  # (n, 120)
        return self.head(self.dense(x).tanh())

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        return {"channels": shapes["first.weight"][1], "n_classes": shapes["head.weight"][0]}


CARDS = (
    ModelCard(
        name="fashion-lenet5",
        summary="The convolutional network of 1998, on pieces of clothing instead of digits.",
        build=LeNet5,
        config={"channels": 1, "n_classes": 10},
        data="fashion-mnist",
        modality="image",
        classes=CLASSES,
        input_shape=(1, 28, 28),
        bounds=(0.0, 1.0),
        mean=MEAN,
        std=STD,
        source="LeCun et al., 1998, doi:10.1109/5.726791 (LeNet-5)",
        recipe=Recipe(
            seed=0,
            epochs=20,
            batch_size=128,
            learning_rate=4e-3,
            weight_decay=0.05,
            flip=True,
        ),
        limits=(
            "Not trained against adversaries: small worst-case changes fool it.",
            "Small and old: the residual networks beside it make fewer mistakes.",
            "Answers with a piece of clothing whatever it is shown.",
        ),
        terms=TERMS,
    ),
)

"""Small residual network for 8x8 digits: two stages of residual blocks, mean pooling, one head."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from auditkit.data.digits import CLASSES, TERMS
from auditkit.models.card import Config, ModelCard, Network, Recipe, Shapes


@final
class DigitsCnn(Network):
    """A residual network without any normalisation of its input.

    Parameters
    ----------
    width : int
        Channels of the first stage; the second has twice as many at half the resolution.
    depth : int
        Residual blocks per stage.
    n_classes : int
        Number of logits.

    References
    ----------
    He et al., 2016, arXiv:1512.03385, section 3.
    """

    def __init__(self, *, width: int = 32, depth: int = 1, n_classes: int = 10) -> None:
        super().__init__()
        self.config = {"width": width, "depth": depth, "n_classes": n_classes}
        self.stem = _convolution(1, width)
        self.fine = nn.Sequential(*[_Block(width) for _ in range(depth)])
        self.down = _convolution(width, 2 * width, stride=2)
        self.coarse = nn.Sequential(*[_Block(2 * width) for _ in range(depth)])
        self.head = nn.Linear(2 * width, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 1, 8, 8) in [0, 1] to logits (n, n_classes)."""
        x = self.fine(self.stem(images).relu())  # (n, width, 8, 8)
        x = self.coarse(self.down(x).relu())  # (n, 2 width, 4, 4)
        return self.head(x.mean(dim=(2, 3)))

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        width, n_classes = shapes["stem.0.weight"][0], shapes["head.weight"][0]
        depth = sum(
            name.startswith("fine.") and name.endswith(".first.0.weight") for name in shapes
        )
        return {"width": width, "depth": depth, "n_classes": n_classes}


@final
class _Block(nn.Module):
    """x + f(x), with f two normalised convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _convolution(width, width)
        self.second = _convolution(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map features (n, width, h, w) to features of the same shape."""
        return (x + self.second(self.first(x).relu())).relu()


def _convolution(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),  # brings its own bias
    )


CARDS = (
    ModelCard(
        name="digits-cnn",
        summary="A small residual network that reads handwritten digits of 8x8 pixels.",
        build=DigitsCnn,
        config={"width": 32, "depth": 1, "n_classes": 10},
        data="digits",
        modality="image",
        classes=CLASSES,
        input_shape=(1, 8, 8),
        bounds=(0.0, 1.0),
        source="He et al., 2016, arXiv:1512.03385 (ResNet)",
        recipe=Recipe(
            seed=0,
            epochs=40,
            batch_size=64,
            learning_rate=3e-3,
            weight_decay=0.05,
            shift=0.7,
            rotation=12.0,
            zoom=0.12,
        ),
        limits=(
            "Not trained against adversaries: small worst-case changes fool it.",
            "Knows only single, centred digits; it answers with a digit whatever it is shown.",
        ),
        terms=TERMS,
    ),
)

"""EfficientNet: inverted residual blocks with depthwise kernels, squeeze-excite and SiLU."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn
from torch.nn import functional

from auditkit.data.fashion_mnist import CLASSES, MEAN, STD, TERMS
from auditkit.models.card import Config, ModelCard, Network, Recipe, Shapes

EXPANSION = 4  # of the second and third stage; the first has none
SQUEEZE = 4  # the gate's middle layer is this many times narrower than the block's input


@final
class EfficientNet(Network):
    """Three stages of mobile inverted bottlenecks, scaled to images of 28x28 pixels.

    Parameters
    ----------
    channels : int
        Of the image.
    width : int
        A multiple of 4: channels of the first stage; the others have 2 and 4 times as many, the
        last layer before the head 8 times.
    depth : int
        Blocks per stage.
    n_classes : int
        Number of logits.

    References
    ----------
    Tan and Le, 2019, arXiv:1905.11946, section 4; Sandler et al., 2018, arXiv:1801.04381 (inverted
    residuals); Hu et al., 2018, arXiv:1709.01507 (squeeze-excite).
    """

    def __init__(
        self, *, channels: int = 1, width: int = 16, depth: int = 2, n_classes: int = 10
    ) -> None:
        super().__init__()
        self.config = {"channels": channels, "width": width, "depth": depth, "n_classes": n_classes}
        self.stem = _convolution(channels, width, kernel=3, stride=2)
        self.stages = nn.Sequential(
            _stage(width, width, depth, expansion=1, kernel=3, stride=1),
            _stage(width, 2 * width, depth, expansion=EXPANSION, kernel=3, stride=2),
            _stage(2 * width, 4 * width, depth, expansion=EXPANSION, kernel=5, stride=2),
        )
        self.last = _convolution(4 * width, 8 * width, kernel=1, stride=1)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(8 * width, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, channels, h, w) to logits (n, n_classes)."""
        x = self.stages(functional.silu(self.stem(images)))  # (n, 4 width, h / 8, w / 8)
        x = functional.silu(self.last(x)).mean(dim=(2, 3))
        return self.head(self.dropout(x))

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        width, channels = shapes["stem.0.weight"][:2]
        depth = sum(
            name.startswith("stages.0.") and name.endswith(".project.0.weight") for name in shapes
        )
        return {
            "channels": channels,
            "width": width,
            "depth": depth,
            "n_classes": shapes["head.weight"][0],
        }


@final
class _Block(nn.Module):
    """Widen, filter each map by itself, gate, narrow; added to what came in where it fits."""

    def __init__(
        self, inputs: int, outputs: int, *, expansion: int, kernel: int, stride: int
    ) -> None:
        super().__init__()
        wide = expansion * inputs
        self.residual = stride == 1 and inputs == outputs
        self.expand = _convolution(inputs, wide, kernel=1, stride=1) if expansion > 1 else None
        self.depthwise = _convolution(wide, wide, kernel=kernel, stride=stride, groups=wide)
        self.gate = _Gate(wide, inputs // SQUEEZE)
        self.project = _convolution(wide, outputs, kernel=1, stride=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map features (n, inputs, h, w) to features (n, outputs, h / stride, w / stride)."""
        wide = x if self.expand is None else functional.silu(self.expand(x))
        new = self.project(self.gate(functional.silu(self.depthwise(wide))))
        return x + new if self.residual else new


@final
class _Gate(nn.Module):
    """Squeeze-excite: each map is scaled by a number that depends on the means of all maps."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(width, inner)
        self.excite = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map features (n, width, h, w) to features of the same shape."""
        inner = functional.silu(self.squeeze(x.mean(dim=(2, 3))))
        return x * self.excite(inner).sigmoid()[:, :, None, None]


def _stage(
    inputs: int, outputs: int, depth: int, *, expansion: int, kernel: int, stride: int
) -> nn.Sequential:
    first = _Block(inputs, outputs, expansion=expansion, kernel=kernel, stride=stride)
    rest = [
        _Block(outputs, outputs, expansion=expansion, kernel=kernel, stride=1)
        for _ in range(depth - 1)
    ]
    return nn.Sequential(first, *rest)


def _convolution(
    inputs: int, outputs: int, *, kernel: int, stride: int, groups: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(
            inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False
        ),
        nn.BatchNorm2d(outputs),  # brings its own bias
    )


CARDS = (
    ModelCard(
        name="fashion-efficientnet",
        summary="A network of depthwise kernels and gates that names pieces of clothing.",
        build=EfficientNet,
        config={"channels": 1, "width": 16, "depth": 2, "n_classes": 10},
        data="fashion-mnist",
        modality="image",
        classes=CLASSES,
        input_shape=(1, 28, 28),
        bounds=(0.0, 1.0),
        mean=MEAN,
        std=STD,
        source="Tan and Le, 2019, arXiv:1905.11946 (EfficientNet)",
        recipe=Recipe(
            seed=0,
            epochs=24,
            batch_size=128,
            learning_rate=4e-3,
            weight_decay=0.05,
            flip=True,
            crop=2,
        ),
        limits=(
            "Not trained against adversaries: small worst-case changes fool it.",
            "Answers with a piece of clothing whatever it is shown.",
        ),
        terms=TERMS,
    ),
)

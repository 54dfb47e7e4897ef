"""ResNet for small images: three stages of residual blocks, mean pooling, one linear head."""

from __future__ import annotations

from dataclasses import replace
from typing import final

from torch import Tensor, nn
from torch.nn import functional

from auditkit.data import cifar10, fashion_mnist
from auditkit.models.card import (
    Adversarial,
    Config,
    Distilled,
    Mixed,
    ModelCard,
    Network,
    Noisy,
    Recipe,
    Shapes,
)


@final
class ResNet(Network):
    """The residual networks of the CIFAR-10 experiments; depth 3 and width 16 give ResNet-20.

    Parameters
    ----------
    channels : int
        Of the image.
    width : int
        Channels of the first stage; each further stage has twice as many at half the resolution.
    depth : int
        Residual blocks per stage.
    n_classes : int
        Number of logits.

    References
    ----------
    He et al., 2016, arXiv:1512.03385, section 4.2, shortcuts without weights (option A).
    """

    def __init__(
        self, *, channels: int = 3, width: int = 16, depth: int = 3, n_classes: int = 10
    ) -> None:
        super().__init__()
        self.config = {"channels": channels, "width": width, "depth": depth, "n_classes": n_classes}
        self.stem = _convolution(channels, width)
        self.stages = nn.Sequential(
            _stage(width, width, depth),
            _stage(width, 2 * width, depth, stride=2),
            _stage(2 * width, 4 * width, depth, stride=2),
        )
        self.head = nn.Linear(4 * width, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, channels, h, w) to logits (n, n_classes)."""
        x = self.stages(self.stem(images).relu())  # (n, 4 width, h / 4, w / 4)
        return self.head(x.mean(dim=(2, 3)))

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        width, channels = shapes["stem.0.weight"][:2]
        depth = sum(
            name.startswith("stages.0.") and name.endswith(".first.0.weight") for name in shapes
        )
        return {
            "channels": channels,
            "width": width,
            "depth": depth,
            "n_classes": shapes["head.weight"][0],
        }


@final
class _Block(nn.Module):
    """x + f(x), with f two normalised convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.missing = outputs - inputs
        self.first = _convolution(inputs, outputs, stride=stride)
        self.second = _convolution(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map features (n, inputs, h, w) to features (n, outputs, h / stride, w / stride)."""
        return (self._shortcut(x) + self.second(self.first(x).relu())).relu()

    def _shortcut(self, x: Tensor) -> Tensor:
        """Return every stride-th pixel; the channels that are missing are zero."""
        if self.stride > 1:  # a slice of everything costs a copy of the slopes
            x = x[:, :, :: self.stride, :: self.stride]
        return functional.pad(x, (0, 0, 0, 0, 0, self.missing)) if self.missing else x


def _stage(inputs: int, outputs: int, depth: int, *, stride: int = 1) -> nn.Sequential:
    first = _Block(inputs, outputs, stride)
    return nn.Sequential(first, *[_Block(outputs, outputs, 1) for _ in range(depth - 1)])


def _convolution(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),  # brings its own bias
    )


_NOT_ADVERSARIAL = "Not trained against adversaries: small worst-case changes fool it."
_ANSWERS_ALWAYS = "Answers with a piece of clothing whatever it is shown."

_FASHION = ModelCard(
    name="fashion-resnet",
    summary="A small residual network that names pieces of clothing.",
    build=ResNet,
    config={"channels": 1, "width": 16, "depth": 1, "n_classes": 10},
    data="fashion-mnist",
    modality="image",
    classes=fashion_mnist.CLASSES,
    input_shape=(1, 28, 28),
    bounds=(0.0, 1.0),
    mean=fashion_mnist.MEAN,
    std=fashion_mnist.STD,
    source="He et al., 2016, arXiv:1512.03385 (ResNet)",
    recipe=Recipe(
        seed=0,
        epochs=18,
        batch_size=128,
        learning_rate=4e-3,
        weight_decay=0.05,
        flip=True,
        crop=2,
        precision="bfloat16",
    ),
    limits=(_NOT_ADVERSARIAL, _ANSWERS_ALWAYS),
    terms=fashion_mnist.TERMS,
)

CARDS = (
    _FASHION,
    ModelCard(
        name="cifar-resnet20",
        summary="ResNet-20, trained on a fifth of the CIFAR-10 training images.",
        build=ResNet,
        config={"channels": 3, "width": 16, "depth": 3, "n_classes": 10},
        data="cifar10",
        modality="image",
        classes=cifar10.CLASSES,
        input_shape=(3, 32, 32),
        bounds=(0.0, 1.0),
        mean=cifar10.MEAN,
        std=cifar10.STD,
        source="He et al., 2016, arXiv:1512.03385 (ResNet-20)",
        recipe=Recipe(
            seed=0,
            epochs=120,
            batch_size=128,
            learning_rate=4e-3,
            weight_decay=0.05,
            label_smoothing=0.05,
            flip=True,
            crop=4,
            cut=8,
            precision="bfloat16",
        ),
        limits=(
            _NOT_ADVERSARIAL,
            "Saw 10,000 of the 50,000 training images, so it is less accurate than its namesake.",
            "Answers with one of ten classes whatever it is shown.",
        ),
        terms=cifar10.TERMS,
    ),
    replace(
        _FASHION,
        name="fashion-resnet-adversarial",
        summary="The fashion-resnet, trained on worst-case changes of up to 0.1 per pixel.",
        source="Madry et al., 2018, arXiv:1706.06083 (adversarial training)",
        recipe=replace(_FASHION.recipe, epochs=10, hardening=Adversarial(epsilon=0.1, steps=3)),
        limits=(
            "Pays for its robustness with accuracy on clean images.",
            "Robust against changes of single pixels in size, not against other kinds of change.",
            _ANSWERS_ALWAYS,
        ),
    ),
    replace(
        _FASHION,
        name="fashion-resnet-augmix",
        summary="The fashion-resnet, trained on mixtures of random changes.",
        source="Hendrycks et al., 2020, arXiv:1912.02781 (AugMix)",
        recipe=replace(_FASHION.recipe, epochs=8, hardening=Mixed()),
    ),
    replace(
        _FASHION,
        name="fashion-resnet-noise",
        summary="The fashion-resnet, trained under Gaussian noise for randomised smoothing.",
        source="Cohen, Rosenfeld and Kolter, 2019, arXiv:1902.02918 (randomised smoothing)",
        recipe=replace(_FASHION.recipe, epochs=15, hardening=Noisy(sigma=0.25)),
        limits=(
            "Meant to be asked many times under noise; what is audited here is the network itself.",
            _ANSWERS_ALWAYS,
        ),
    ),
    replace(
        _FASHION,
        name="fashion-resnet-distilled",
        summary="Half as wide as the fashion-resnet, and trained on its answers.",
        config=_FASHION.config | {"width": 8},
        source="Hinton, Vinyals and Dean, 2015, arXiv:1503.02531 (distillation)",
        recipe=replace(_FASHION.recipe, epochs=20, hardening=Distilled(teacher="fashion-resnet")),
    ),
)

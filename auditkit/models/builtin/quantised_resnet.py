"""ResNet in eight bits: weights and activations rounded to 255 levels, normalisation folded in."""

from __future__ import annotations

from typing import Self, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from auditkit.data.fashion_mnist import CLASSES, MEAN, STD, TERMS
from auditkit.models.builtin.resnet import ResNet
from auditkit.models.card import Config, ModelCard, Network, Quantised, Recipe, Shapes

LEVELS = 127  # to each side of zero


@final
class QuantisedResNet(Network):
    """A `ResNet` whose products are of eight-bit numbers, made from a trained one by `of`.

    Every convolution and the head round their input to whole multiples of one step per layer, and
    hold weights as whole multiples of one step per output channel. Gradients pass through the
    rounding as if it were not there (straight-through), so that attacks are not misled by it.

    Parameters
    ----------
    channels, width, depth, n_classes : int
        Of the `ResNet` it was made from.

    References
    ----------
    Jacob et al., 2018, arXiv:1712.05877 (quantisation with folded normalisation); Bengio et al.,
    2013, arXiv:1308.3432 (straight-through gradients).
    """

    def __init__(
        self, *, channels: int = 3, width: int = 16, depth: int = 3, n_classes: int = 10
    ) -> None:
        super().__init__()
        self.config = {"channels": channels, "width": width, "depth": depth, "n_classes": n_classes}
        self.stem = _Rounded(width, channels)
        blocks: list[nn.Module] = []
        for stage in range(3):
            outputs = width * 2**stage
            for number in range(depth):
                first = stage > 0 and number == 0
                blocks.append(
                    _Block(outputs // 2 if first else outputs, outputs, 2 if first else 1)
                )
        self.blocks = nn.Sequential(*blocks)
        self.head = _Rounded(n_classes, 4 * width, size=None)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, channels, h, w) to logits (n, n_classes)."""
        x = self.blocks(self.stem(images).relu())
        return self.head(x.mean(dim=(2, 3)))

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        width, channels = shapes["stem.weight"][:2]
        blocks = sum(name.endswith(".first.weight") for name in shapes)
        return {
            "channels": channels,
            "width": width,
            "depth": blocks // 3,
            "n_classes": shapes["head.weight"][0],
        }

    @classmethod
    def of(cls, parent: ResNet, images: Tensor) -> Self:
        """Return a trained network in eight bits.

        Parameters
        ----------
        parent : ResNet
            In evaluation mode.
        images : Tensor
            (n, c, h, w) as the network reads them; the largest input that a layer gets from them is
            the largest it can tell apart.
        """
        made = cls(**parent.config)
        pairs: list[tuple[_Rounded, nn.Module]] = [(made.stem, parent.stem)]
        old_blocks = [block for stage in parent.stages for block in stage]  # pyright: ignore
        for new, old in zip(made.blocks, old_blocks, strict=True):
            pairs += [(new.first, old.first), (new.second, old.second)]  # pyright: ignore
        pairs.append((made.head, parent.head))
        largest: dict[nn.Module, float] = {}

        def watch(module: nn.Module, inputs: tuple[Tensor]) -> None:
            largest[module] = float(inputs[0].abs().max())

        hooks = [old.register_forward_pre_hook(watch) for _, old in pairs]
        try:
            with torch.no_grad():
                parent(images)
        finally:
            for hook in hooks:
                hook.remove()
        for new, old in pairs:
            new.take(*_folded(old), largest=largest[old])
        return made.eval()


@final
class _Rounded(nn.Module):
    """A convolution, or without `size` a linear layer, between rounded numbers."""

    def __init__(self, outputs: int, inputs: int, *, size: int | None = 3, stride: int = 1) -> None:
        super().__init__()
        shape = (outputs, inputs) if size is None else (outputs, inputs, size, size)
        self.stride = stride
        self.bias = nn.Parameter(torch.zeros(outputs), requires_grad=False)
        self.step = nn.Parameter(torch.ones(outputs), requires_grad=False)  # of the weights
        self.input_step = nn.Parameter(torch.ones(()), requires_grad=False)
        self.weight = nn.Parameter(torch.zeros(shape, dtype=torch.int8), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map features (n, inputs, h, w), or (n, inputs), to as many outputs."""
        levels = (x / self.input_step).clamp(-LEVELS, LEVELS)
        x = (levels + (levels.round() - levels).detach()) * self.input_step
        weight = self.weight * self.step.view(-1, *[1] * (self.weight.ndim - 1))
        if weight.ndim == 2:
            return functional.linear(x, weight, self.bias)
        return functional.conv2d(x, weight, self.bias, stride=self.stride, padding=1)

    def take(self, weight: Tensor, bias: Tensor, *, largest: float) -> None:
        """Hold these weights in eight bits, for inputs up to `largest`."""
        self.input_step.fill_(max(largest, 1e-9) / LEVELS)
        self.bias.copy_(bias)
        self.step.copy_(weight.flatten(1).abs().amax(dim=1).clamp_min(1e-9) / LEVELS)
        steps = self.step.view(-1, *[1] * (weight.ndim - 1))
        self.weight.copy_((weight / steps).round().to(torch.int8))


@final
class _Block(nn.Module):
    """x + f(x), as in `ResNet`."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.missing = outputs - inputs
        self.first = _Rounded(outputs, inputs, stride=stride)
        self.second = _Rounded(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map features (n, inputs, h, w) to features (n, outputs, h / stride, w / stride)."""
        short = functional.pad(
            x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.missing)
        )
        return (short + self.second(self.first(x).relu())).relu()


def _folded(layer: nn.Module) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a linear layer, or of a convolution with its normalisation."""
    if isinstance(layer, nn.Linear):
        return layer.weight.detach(), layer.bias.detach()
    assert isinstance(layer, nn.Sequential)
    convolution, norm = layer
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = norm.weight / (norm.running_var + norm.eps).sqrt()  # (outputs,)
    bias = norm.bias - norm.running_mean * gain
    return (convolution.weight * gain.view(-1, 1, 1, 1)).detach(), bias.detach()


CARDS = (
    ModelCard(
        name="fashion-resnet-int8",
        summary="The fashion-resnet in eight bits: a fourth of its size.",
        build=QuantisedResNet,
        config={"channels": 1, "width": 16, "depth": 1, "n_classes": 10},
        data="fashion-mnist",
        modality="image",
        classes=CLASSES,
        input_shape=(1, 28, 28),
        bounds=(0.0, 1.0),
        mean=MEAN,
        std=STD,
        source="Jacob et al., 2018, arXiv:1712.05877 (post-training quantisation)",
        recipe=Recipe(
            seed=0,
            epochs=0,
            batch_size=1000,
            learning_rate=0.0,
            hardening=Quantised(parent="fashion-resnet", images=1000),
        ),
        limits=(
            "Computes with rounded numbers held as floats: as accurate as eight-bit"
            " hardware, but not as fast.",
            "Not trained against adversaries: small worst-case changes fool it.",
        ),
        terms=TERMS,
    ),
)

"""Networks as people write them, without auditkit: the truth that proposals are compared with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from auditkit.models.archives import TensorFacts
from auditkit.models.states import Reading, readings


def options(module: nn.Module, prefix: str = "") -> list[Reading]:
    """The tensors of a network as a file describes them."""
    return readings(
        {
            prefix + name: TensorFacts(
                name=prefix + name,
                shape=tuple(value.shape),
                dtype=str(value.dtype).removeprefix("torch."),
            )
            for name, value in module.state_dict().items()
        }
    )


def shaken(module: nn.Module, seed: int = 0) -> nn.Module:
    """The network with random statistics of its normalisations, in evaluation mode."""
    rng = torch.Generator().manual_seed(seed)
    for one in module.modules():
        if isinstance(one, nn.BatchNorm1d | nn.BatchNorm2d):
            assert one.running_mean is not None
            assert one.running_var is not None
            one.running_mean.copy_(0.3 * torch.randn(one.running_mean.shape, generator=rng))
            one.running_var.copy_(0.5 + torch.rand(one.running_var.shape, generator=rng))
    return module.eval()


class TutorialNet(nn.Module):
    """The LeNet of the PyTorch tutorial "Training a classifier"."""

    def __init__(self, channels: int = 3, side: int = 5) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * side * side, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(functional.relu(self.conv1(x)))
        x = self.pool(functional.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        x = functional.relu(self.fc1(x))
        x = functional.relu(self.fc2(x))
        return self.fc3(x)


class OldNet(nn.Module):
    """LeNet-5 with tanh, means and a padded first convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, 5, padding=2)
        self.c2 = nn.Conv2d(6, 16, 5)
        self.f1 = nn.Linear(400, 84)
        self.f2 = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.avg_pool2d(self.c1(x).tanh(), 2)
        x = functional.avg_pool2d(self.c2(x).tanh(), 2)
        return self.f2(self.f1(x.flatten(1)).tanh())


class Normalised(nn.Module):
    """Normalisations defined after all convolutions, strides, a mean over all positions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False)
        self.conv2 = nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.bn2 = nn.BatchNorm2d(6)
        self.fc = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn1(self.conv1(x)).relu()
        x = self.bn2(self.conv2(x)).relu()
        return self.fc(x.mean(dim=(2, 3)))


class Vgg(nn.Module):
    """Convolutions and pooling in one Sequential, as in torchvision."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for size in (4, 0, 6, 6, 0, 8, 8, 0):
            if size:
                layers += [nn.Conv2d(before, size, 3, padding=1), nn.BatchNorm2d(size), nn.ReLU()]
                before = size
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(8 * 4 * 4, 12), nn.ReLU(), nn.Dropout(), nn.Linear(12, 7)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


class Block(nn.Module):
    """A basic block; `kind` says how its shortcut changes the number of channels."""

    expansion = 1

    def __init__(self, before: int, planes: int, stride: int, kind: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.kind, self.stride, self.missing = kind, stride, planes - before
        add_shortcut(self, before, planes, stride, kind)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (y + shortcut(self, x)).relu()


class Bottleneck(nn.Module):
    """A block of three convolutions, with the stride in the second."""

    expansion = 4

    def __init__(self, before: int, planes: int, stride: int, kind: str) -> None:
        super().__init__()
        after = 4 * planes
        self.conv1 = nn.Conv2d(before, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, after, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(after)
        self.kind, self.stride, self.missing = kind, stride, after - before
        add_shortcut(self, before, after, stride, kind)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn2(self.conv2(y)).relu()
        return (self.bn3(self.conv3(y)) + shortcut(self, x)).relu()


def add_shortcut(block: nn.Module, before: int, after: int, stride: int, kind: str) -> None:
    if kind != "padded" and (stride != 1 or before != after):
        layers = [nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)]
        block.add_module(kind, nn.Sequential(*layers))


def shortcut(block: Block | Bottleneck, x: Tensor) -> Tensor:
    found = getattr(block, block.kind, None)
    if found is not None:
        return found(x)
    if block.stride == 1 and block.missing == 0:
        return x
    half = block.missing // 2
    return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, half, half))


class Residual(nn.Module):
    """The layout of pytorch-cifar (3x3) and of torchvision (7x7)."""

    def __init__(
        self,
        block: type[Block | Bottleneck],
        depths: Sequence[int],
        *,
        kind: str,
        kernel: int = 3,
        head: str = "linear",
        width: int = 4,
    ) -> None:
        super().__init__()
        stride = 1 if kernel == 3 else 2
        self.conv1 = nn.Conv2d(3, width, kernel, stride, kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.pool = nn.Identity() if kernel == 3 else nn.MaxPool2d(3, 2, 1)
        before, self.count, self.head = width, len(depths), head
        for i, depth in enumerate(depths):
            planes = width * 2**i
            blocks: list[nn.Module] = []
            for j in range(depth):
                blocks.append(block(before, planes, 2 if i and j == 0 else 1, kind))
                before = planes * block.expansion
            self.add_module(f"layer{i + 1}", nn.Sequential(*blocks))
        self.add_module(head, nn.Linear(before, 10))

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.bn1(self.conv1(x)).relu())
        for i in range(self.count):
            x = self.get_submodule(f"layer{i + 1}")(x)
        return self.get_submodule(self.head)(x.mean(dim=(2, 3)))

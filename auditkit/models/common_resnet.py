"""Residual networks under the names that most training scripts give to their tensors."""

from __future__ import annotations

from typing import ClassVar, final

from torch import Tensor, nn
from torch.nn import functional

from auditkit.models.card import Config, Network, Shapes

STAGES = 4  # at most
_SHORTCUTS, _HEADS = ("downsample", "shortcut"), ("fc", "linear")


@final
class CommonResnet(Network):
    """`conv1, bn1, layer1 ... layer4, fc`, with blocks of two or three convolutions.

    Widths of every stage are free, so that wide networks and those with groups are among them.

    Parameters
    ----------
    config : int
        `channels` of the image; `kernel` and `width` of the first convolution, whose stride is 2
        where the kernel is wider than 3; `convolutions` per block, 2 or 3; `groups`; for each stage
        i `depth{i}` blocks (0 where there is no such stage), `inner{i}` and `outer{i}` channels;
        `n_classes`; `shortcuts`: 1 with weights, 0 without; `named`: which of
        (downsample, shortcut) is called so, and `head`: which of (fc, linear).
        No tensor shows the rest: `pooled`: whether a 3x3 maximum follows the first convolution;
        `early`: whether a block of three halves the image in its first convolution instead of its
        second; `behind`: whether channels that a shortcut lacks are added behind the others
        instead of on both sides.

    References
    ----------
    He et al., 2016, arXiv:1512.03385; Xie et al., 2017, arXiv:1611.05431 (groups).
    """

    free: ClassVar[tuple[str, ...]] = ("pooled", "early", "behind")

    def __init__(self, **config: int) -> None:
        super().__init__()
        self.config = config
        kernel, width = config["kernel"], config["width"]
        self.conv1 = nn.Conv2d(
            config["channels"],
            width,
            kernel,
            stride=1 if kernel <= 3 else 2,
            padding=kernel // 2,
            bias=False,
        )
        self.bn1 = nn.BatchNorm2d(width)
        self.stages: list[str] = []
        before = width
        for i in range(1, STAGES + 1):
            if config[f"depth{i}"]:
                self.stages.append(f"layer{i}")
                self.add_module(f"layer{i}", _stage(config, i, before))
                before = config[f"outer{i}"]
        self.head = _HEADS[config["head"]]
        self.add_module(self.head, nn.Linear(before, config["n_classes"]))

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, channels, h, w) to logits (n, n_classes)."""
        x = self.bn1(self.conv1(images)).relu()
        if self.config["pooled"]:
            x = functional.max_pool2d(x, kernel_size=3, stride=2, padding=1)
        for name in self.stages:
            x = self.get_submodule(name)(x)
        return self.get_submodule(self.head)(x.mean(dim=(2, 3)))

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the arguments that give tensors of these shapes, and the usual free ones."""
        width, channels, kernel, _ = shapes["conv1.weight"]
        block = "layer1.0.conv"
        convolutions = 3 if f"{block}3.weight" in shapes else 2
        head = next(i for i, name in enumerate((*_HEADS, "")) if f"{name}.weight" in shapes)
        named = [i for i, one in enumerate(_SHORTCUTS) if any(f".{one}.0." in s for s in shapes)]
        outer, shared = shapes[f"{block}2.weight"][:2]
        config = {
            "channels": channels,
            "kernel": kernel,
            "width": width,
            "convolutions": convolutions,
            "groups": outer // shared if convolutions == 3 else 1,
            "n_classes": shapes[f"{_HEADS[head]}.weight"][0],
            "shortcuts": int(bool(named)),
            "named": named[0] if named else 0,
            "head": head,
            "pooled": int(kernel > 3),
            "early": 0,
            "behind": 0,
        }
        return config | _stages_of(shapes, convolutions)


def _stages_of(shapes: Shapes, convolutions: int) -> Config:
    found: Config = {}
    for i in range(1, STAGES + 1):
        blocks = {name.split(".")[1] for name in shapes if name.startswith(f"layer{i}.")}
        first = f"layer{i}.0.conv"
        found[f"depth{i}"] = len(blocks)
        found[f"inner{i}"] = shapes[f"{first}1.weight"][0] if blocks else 0
        found[f"outer{i}"] = shapes[f"{first}{convolutions}.weight"][0] if blocks else 0
    return found


def _stage(config: Config, i: int, before: int) -> nn.Sequential:
    stride = 1 if i == 1 else 2
    outer = config[f"outer{i}"]
    first = _Block(config, before, config[f"inner{i}"], outer, stride)
    rest = [
        _Block(config, outer, config[f"inner{i}"], outer, 1) for _ in range(config[f"depth{i}"] - 1)
    ]
    return nn.Sequential(first, *rest)


@final
class _Block(nn.Module):
    """x + f(x), with f two or three normalised convolutions."""

    def __init__(self, config: Config, before: int, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.stride, self.missing, self.behind = stride, outer - before, config["behind"]
        if config["convolutions"] == 2:
            self.conv1 = _convolution(before, inner, 3, stride)
            self.conv2 = _convolution(inner, outer, 3)
        else:
            early = stride if config["early"] else 1
            self.conv1 = _convolution(before, inner, 1, early)
            self.conv2 = _convolution(inner, inner, 3, stride // early, config["groups"])
            self.conv3 = _convolution(inner, outer, 1)
            self.bn3 = nn.BatchNorm2d(outer)
        self.bn1 = nn.BatchNorm2d(inner)
        self.bn2 = nn.BatchNorm2d(self.conv2.out_channels)
        self.three = config["convolutions"] == 3
        self.named = ""
        if config["shortcuts"] and (stride != 1 or self.missing):
            self.named = _SHORTCUTS[config["named"]]
            shortcut = nn.Sequential(_convolution(before, outer, 1, stride), nn.BatchNorm2d(outer))
            self.add_module(self.named, shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """Map features (n, before, h, w) to features (n, outer, h / stride, w / stride)."""
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        if self.three:
            y = self.bn3(self.conv3(y.relu()))
        return (y + self._shortcut(x)).relu()

    def _shortcut(self, x: Tensor) -> Tensor:
        if self.named:
            return self.get_submodule(self.named)(x)
        x = x[:, :, :: self.stride, :: self.stride]
        before = 0 if self.behind else self.missing // 2
        return functional.pad(x, (0, 0, 0, 0, before, self.missing - before))


def _convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    return nn.Conv2d(
        inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False
    )


def variants(config: Config) -> list[Config]:
    """Return what a network with these tensors may be, the most usual first."""
    three, without = config["convolutions"] == 3, not config["shortcuts"]
    return [
        {**config, "pooled": pooled, "early": early, "behind": behind}
        for pooled in (config["pooled"], 1 - config["pooled"])
        for early in ((0, 1) if three else (0,))
        for behind in ((0, 1) if without else (0,))
    ]


def in_words(config: Config) -> str:
    """Return what a reader should know: blocks per stage and what no tensor shows."""
    depths = [config[f"depth{i}"] for i in range(1, STAGES + 1) if config[f"depth{i}"]]
    blocks = "bottleneck" if config["convolutions"] == 3 else "basic"
    layers = sum(depths) * config["convolutions"] + 2
    said = [f"{'-'.join(map(str, depths))} {blocks} blocks"]
    said.append(f"{config['kernel']}x{config['kernel']} first convolution")
    said.append("pooled" if config["pooled"] else "not pooled")
    if blocks == "bottleneck":
        said.append(f"stride in the {'first' if config['early'] else 'second'} convolution")
    if not config["shortcuts"]:
        where = "behind" if config["behind"] else "on both sides"
        said.append(f"shortcuts without weights, channels added {where}")
    return f"ResNet-{layers} ({', '.join(said)})"

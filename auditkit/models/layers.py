"""Networks of known torch layers as plain data: described, and built again without any code."""

from __future__ import annotations

from typing import TypeAlias, final

import torch
from torch import nn

from auditkit.errors import ModelError
from auditkit.findings import Frozen

Argument: TypeAlias = bool | int | float | str | list[int | None] | None

_CONVOLUTION = (
    "in_channels out_channels kernel_size stride padding dilation groups bias padding_mode"
)
_NORMALISATION = "num_features eps momentum affine track_running_stats"
# The layers that may stand in a file, each with the constructor arguments that are kept. `inplace`
# is not: it changes no result, and an input must not be overwritten.
_KNOWN: dict[type[nn.Module], str] = {
    nn.Sequential: "",
    nn.Identity: "",
    nn.Conv1d: _CONVOLUTION,
    nn.Conv2d: _CONVOLUTION,
    nn.Linear: "in_features out_features bias",
    nn.BatchNorm1d: _NORMALISATION,
    nn.BatchNorm2d: _NORMALISATION,
    nn.LayerNorm: "normalized_shape eps elementwise_affine bias",
    nn.ReLU: "",
    nn.GELU: "approximate",
    nn.SiLU: "",
    nn.LeakyReLU: "negative_slope",
    nn.Tanh: "",
    nn.Sigmoid: "",
    nn.MaxPool2d: "kernel_size stride padding dilation ceil_mode",
    nn.AvgPool2d: "kernel_size stride padding ceil_mode count_include_pad divisor_override",
    nn.AdaptiveAvgPool2d: "output_size",
    nn.Flatten: "start_dim end_dim",
    nn.Dropout: "p",
}
# Where a module keeps the functions that run before and after its own.
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
LAYERS = {kind.__name__: kind for kind in _KNOWN}


@final
class LayerSpec(Frozen):
    """One layer: its class, its constructor arguments, and the layers inside it by name."""

    layer: str
    arguments: dict[str, Argument] = {}
    children: list[tuple[str, LayerSpec]] = []


def describe_layers(module: nn.Module) -> LayerSpec | None:
    """Return a network as data, or None where it holds anything but known layers."""
    spec = _described(module)
    if spec is None:
        return None
    # A hook, a pruned weight or a replaced attribute would be lost: what is built must be the same.
    names = {name: value.shape for name, value in module.state_dict().items()}
    built = {name: value.shape for name, value in build_layers(spec).state_dict().items()}
    return spec if names == built else None


def _described(module: nn.Module) -> LayerSpec | None:
    kind = type(module)
    if kind not in _KNOWN or has_hooks(module):
        return None
    children: list[tuple[str, LayerSpec]] = []
    for name, child in module.named_modules(remove_duplicate=False):  # a layer may be used twice
        if name == "" or "." in name:
            continue  # the module itself, or what its children describe
        spec = _described(child)
        if spec is None:
            return None
        children.append((name, spec))
    if children and kind is not nn.Sequential:
        return None
    arguments = {name: _argument(module, name) for name in _KNOWN[kind].split()}
    return LayerSpec(layer=kind.__name__, arguments=arguments, children=children)


def has_hooks(module: nn.Module) -> bool:
    """Return whether anything but a layer's own code runs when it is called; parts do not count."""
    return any(getattr(module, name) for name in HOOKS) or "forward" in vars(module)


def _argument(module: nn.Module, name: str) -> Argument:
    value = getattr(module, name)
    if name == "bias":
        return value is not None
    return list(value) if isinstance(value, tuple) else value


def build_layers(spec: LayerSpec) -> nn.Module:
    """Return the network on the meta device: every shape is there, no number is allocated.

    Raises
    ------
    ModelError
        If the data names an unknown layer or impossible arguments.
    """
    kind = LAYERS.get(spec.layer)
    if kind is None:
        raise ModelError(f"The file describes a layer {spec.layer!r}, which is not a known layer.")
    foreign = set(spec.arguments) - set(_KNOWN[kind].split())
    if foreign or (spec.children and kind is not nn.Sequential):
        raise ModelError(f"The file describes a {spec.layer} with unknown parts.")
    given = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in spec.arguments.items()
    }
    children = [(name, build_layers(child)) for name, child in spec.children]
    try:
        with torch.device("meta"):
            built = kind(**given)
        for name, child in children:
            built.add_module(name, child)
    except (TypeError, ValueError, RuntimeError, OverflowError, KeyError) as error:
        raise ModelError(f"The file describes an impossible {spec.layer}: {error}.") from error
    return built

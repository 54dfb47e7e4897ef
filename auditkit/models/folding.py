"""The same network with fewer operations: BatchNorm folded into the convolutions before it.

A ReLU behind such a convolution, or behind a sum, works in place.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from itertools import chain
from typing import Any, final

import torch
from torch import Tensor, fx, nn

from auditkit.models.layers import has_hooks

_PAIRS = (
    (nn.Conv1d, nn.BatchNorm1d),
    (nn.Conv2d, nn.BatchNorm2d),
    (nn.Conv3d, nn.BatchNorm3d),
)
_CLOSE = 1e-4  # of the largest output


def folded(module: nn.Module, probe: Callable[[], Tensor]) -> nn.Module | None:
    """Return a twin without the BatchNorms that only scale and shift a convolution's output.

    It shares the weights of the network and follows when they change, within what rounding leaves.
    None where there is nothing to fold, where the network cannot be traced or has hooks, which a
    trace would lose, or where the twin answers otherwise on the probe. The twin never judges.

    Parameters
    ----------
    module : Module
        In evaluation mode; it is not changed.
    probe : callable
        Gives inputs of the module, (m, ...).
    """
    norms = tuple(norm for _, norm in _PAIRS)
    if not any(isinstance(part, norms) for part in module.modules()):
        return None
    if any(has_hooks(part) for part in module.modules()):
        return None
    try:
        with torch.no_grad():
            twin = _folded(_sharing(module))
            inputs = probe()
            expected, found = module(inputs), twin(inputs)
            slack = _CLOSE * expected.abs().max()
            same = bool(((found - expected).abs() <= slack).all())  # False where any is NaN
    except Exception:  # noqa: BLE001 - whatever forward does when it is traced
        return None
    return twin if same else None


def _sharing(module: nn.Module) -> nn.Module:
    """Return a copy with the same weights, so that tracing it leaves no mark on the network."""
    weights = chain(module.parameters(), module.buffers())
    return deepcopy(module, {id(one): one for one in weights})


def _folded(module: nn.Module) -> nn.Module:
    """Return the trace of a network with each foldable pair of layers as one."""
    traced = fx.symbolic_trace(module)
    for i, (before, after, pair) in enumerate(list(_pairs(traced))):
        name = f"folded_{i}"
        traced.add_submodule(name, pair)
        with traced.graph.inserting_before(after):
            merged = traced.graph.call_module(name, before.args, before.kwargs)
        after.replace_all_uses_with(merged)
        traced.graph.erase_node(after)
        traced.graph.erase_node(before)
    parts: dict[str, Any] = dict(traced.named_modules())
    for node in list(traced.graph.nodes):
        if _is_relu(node, parts) and _is_fresh(node.args[0], parts):
            with traced.graph.inserting_before(node):
                in_place = traced.graph.call_method("relu_", node.args[:1])
            node.replace_all_uses_with(in_place)
            traced.graph.erase_node(node)
    traced.recompile()
    return traced


def _pairs(traced: fx.GraphModule) -> Iterator[tuple[fx.Node, fx.Node, _Folded]]:
    """Yield the calls of a convolution and of the norm that alone reads its output."""
    parts: dict[str, Any] = dict(traced.named_modules())
    for after in traced.graph.nodes:
        before = after.args[0] if after.op == "call_module" and after.args else None
        if not (isinstance(before, fx.Node) and before.op == "call_module"):
            continue
        conv, norm = parts[str(before.target)], parts[str(after.target)]
        known = (type(conv), type(norm)) in _PAIRS
        if known and len(before.users) == 1 and norm.running_mean is not None:
            yield before, after, _Folded(conv, norm)


def _is_relu(node: fx.Node, parts: Mapping[str, Any]) -> bool:
    match node.op:
        case "call_module":
            return type(parts[str(node.target)]) is nn.ReLU
        case "call_method":
            return node.target == "relu"
        case _:
            return node.target in (torch.relu, nn.functional.relu)


def _is_fresh(node: object, parts: Mapping[str, Any]) -> bool:
    """Return whether a value was just made, is read once, and no slope needs it as it was."""
    if not isinstance(node, fx.Node) or len(node.users) > 1 or node.kwargs:
        return False
    if node.op == "call_module":
        return isinstance(parts[str(node.target)], _Folded)
    return node.op == "call_function" and node.target in (operator.add, torch.add)


@final
class _Folded(nn.Module):
    """A convolution that scales and shifts its output as the norm behind it does."""

    def __init__(self, conv: Any, norm: Any) -> None:  # of one of the pairs
        super().__init__()
        self.conv, self.norm = conv, norm

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the output of the norm."""
        conv, norm = self.conv, self.norm
        scale = (norm.running_var + norm.eps).rsqrt()  # (c,)
        scale = scale if norm.weight is None else norm.weight * scale
        mean = norm.running_mean if conv.bias is None else norm.running_mean - conv.bias
        bias = -mean * scale if norm.bias is None else norm.bias - mean * scale
        weight = conv.weight * scale.view(-1, *(1 for _ in conv.weight.shape[1:]))
        return conv._conv_forward(inputs, weight, bias)  # noqa: SLF001 - pads as the layer does

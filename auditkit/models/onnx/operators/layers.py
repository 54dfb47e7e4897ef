"""Operators that are layers of networks: convolutions, pooling, normalisation."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from auditkit.models.onnx.operators.node import (
    Node,
    Operator,
    Result,
    UnsupportedError,
    Values,
    axis_of,
    optional,
    value,
)
from auditkit.models.onnx.operators.shapes import padded

_CONV = (functional.conv1d, functional.conv2d, functional.conv3d)
_CONV_TRANSPOSE = (
    functional.conv_transpose1d,
    functional.conv_transpose2d,
    functional.conv_transpose3d,
)
_MAX_POOL = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)
_AVG_POOL = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)


def _spatial(x: Tensor) -> int:
    """Return the number of spatial axes, 1 to 3."""
    n = x.ndim - 2
    if not 1 <= n <= 3:
        raise UnsupportedError(f"a layer on {n} spatial axes")
    return n


def _ends(node: Node, x: Tensor, kernel: list[int]) -> list[tuple[int, int]]:
    """Return the padding before and after each spatial axis."""
    n = len(kernel)
    how = node.word("auto_pad", "NOTSET")
    if how == "VALID":
        return [(0, 0)] * n
    if how == "NOTSET":
        pads = node.integers("pads") or [0] * 2 * n
        return list(zip(pads[:n], pads[n:], strict=True))
    strides, dilations = (node.integers(k) or [1] * n for k in ("strides", "dilations"))
    ends: list[tuple[int, int]] = []
    for size, width, stride, dilation in zip(x.shape[2:], kernel, strides, dilations, strict=True):
        reach = (width - 1) * dilation + 1
        lacking = max(0, (-(-size // stride) - 1) * stride + reach - size)
        small, large = lacking // 2, lacking - lacking // 2
        ends.append((small, large) if how == "SAME_UPPER" else (large, small))
    return ends


def _symmetric(ends: list[tuple[int, int]]) -> bool:
    return all(before == after for before, after in ends)


def _conv(node: Node, values: Values) -> Result:
    x, weight, bias = value(values, 0), value(values, 1), optional(values, 2)
    n = _spatial(x)
    ends = _ends(node, x, list(weight.shape[2:]))
    padding = [before for before, _ in ends]
    if not _symmetric(ends):
        x, padding = padded(x, [(0, 0), (0, 0), *ends]), [0] * n
    return _CONV[n - 1](
        x,
        weight,
        bias,
        stride=node.integers("strides") or [1] * n,
        padding=padding,
        dilation=node.integers("dilations") or [1] * n,
        groups=node.integer("group", 1),
    )


def _conv_transpose(node: Node, values: Values) -> Result:
    x, weight, bias = value(values, 0), value(values, 1), optional(values, 2)
    n = _spatial(x)
    if "output_shape" in node.attributes or node.word("auto_pad", "NOTSET") != "NOTSET":
        raise UnsupportedError("ConvTranspose with output_shape or auto_pad")
    ends = _ends(node, x, list(weight.shape[2:]))
    extra = node.integers("output_padding") or [0] * n
    plain = _symmetric(ends)
    y = _CONV_TRANSPOSE[n - 1](
        x,
        weight,
        bias,
        stride=node.integers("strides") or [1] * n,
        padding=[before for before, _ in ends] if plain else [0] * n,
        output_padding=extra,
        groups=node.integer("group", 1),
        dilation=node.integers("dilations") or [1] * n,
    )
    if plain:
        return y
    return padded(y, [(0, 0), (0, 0), *((-before, -after) for before, after in ends)])


def _max_pool(node: Node, values: Values) -> Result:
    x, kernel = value(values, 0), node.integers("kernel_shape") or []
    n = _spatial(x)
    if node.n_outputs > 1:
        raise UnsupportedError("MaxPool with indices")
    ends = _ends(node, x, kernel)
    padding = [before for before, _ in ends]
    if not _symmetric(ends) or any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        x, padding = padded(x, [(0, 0), (0, 0), *ends], filling=-math.inf), [0] * n
    return _MAX_POOL[n - 1](
        x,
        kernel,
        stride=node.integers("strides") or [1] * n,
        padding=padding,
        dilation=node.integers("dilations") or [1] * n,
        ceil_mode=node.integer("ceil_mode", 0) == 1,
    )


def _average_pool(node: Node, values: Values) -> Result:
    x, kernel = value(values, 0), node.integers("kernel_shape") or []
    n = _spatial(x)
    if any(d != 1 for d in node.integers("dilations") or []):
        raise UnsupportedError("AveragePool with dilations")
    ends = _ends(node, x, kernel)
    include = node.integer("count_include_pad", 0) == 1
    pool = _AVG_POOL[n - 1]
    strides = node.integers("strides") or [1] * n
    ceil = node.integer("ceil_mode", 0) == 1
    padding = [before for before, _ in ends]
    if _symmetric(ends) and all(2 * p <= k for p, k in zip(padding, kernel, strict=True)):
        return pool(x, kernel, strides, padding, ceil, include)
    wide = [(0, 0), (0, 0), *ends]
    y = pool(padded(x, wide), kernel, strides, 0, ceil, True)
    if include:
        return y
    return y / pool(padded(torch.ones_like(x), wide), kernel, strides, 0, ceil, True)


def _global(function: Callable[[Tensor, list[int]], Tensor]) -> Operator:
    return lambda _, values: function(value(values, 0), list(range(2, value(values, 0).ndim)))


def _batch_normalization(node: Node, values: Values) -> Result:
    node.require("training_mode", 0, 0)
    x, scale, bias, mean, var = (value(values, i) for i in range(5))
    return functional.batch_norm(x, mean, var, scale, bias, eps=node.real("epsilon", 1e-5))


def _layer_normalization(node: Node, values: Values) -> Result:
    x, scale, bias = value(values, 0), value(values, 1), optional(values, 2)
    if node.n_outputs > 1:
        raise UnsupportedError("LayerNormalization with mean and deviation")
    axes = list(range(axis_of(node, x, -1), x.ndim))
    normal = (
        functional.layer_norm(x, [x.shape[a] for a in axes], eps=node.real("epsilon", 1e-5)) * scale
    )
    return normal if bias is None else normal + bias


def _rms_normalization(node: Node, values: Values) -> Result:
    x, scale = value(values, 0), value(values, 1)
    axes = list(range(axis_of(node, x, -1), x.ndim))
    square = x.square().mean(axes, keepdim=True)
    return x * torch.rsqrt(square + node.real("epsilon", 1e-5)) * scale


def _instance_normalization(node: Node, values: Values) -> Result:
    x, scale, bias = (value(values, i) for i in range(3))
    # Not functional.instance_norm: it refuses maps of one number.
    axes = list(range(2, x.ndim))
    mean = x.mean(axes, keepdim=True)
    var = (x - mean).square().mean(axes, keepdim=True)
    form = [1, -1, *([1] * len(axes))]
    normal = (x - mean) * torch.rsqrt(var + node.real("epsilon", 1e-5))
    return normal * scale.reshape(form) + bias.reshape(form)


def _group_normalization(node: Node, values: Values) -> Result:
    x, scale, bias = (value(values, i) for i in range(3))
    groups = node.integer("num_groups", 1)
    if node.opset < 21:  # one scale per group, since 21 one per channel
        each = x.shape[1] // groups
        scale, bias = scale.repeat_interleave(each), bias.repeat_interleave(each)
    return functional.group_norm(x, groups, scale, bias, eps=node.real("epsilon", 1e-5))


def _lp_normalization(node: Node, values: Values) -> Result:
    x, p = value(values, 0), node.integer("p", 2)
    norm = torch.linalg.vector_norm(x, p, axis_of(node, x, -1), keepdim=True)
    return torch.where(norm == 0, torch.zeros_like(x), x / norm.clamp(min=1e-38))


def _lrn(node: Node, values: Values) -> Result:
    x, size = value(values, 0), node.integer("size", 1)
    if size % 2 == 0:
        raise UnsupportedError("LRN of an even size")
    ends = [(0, 0), (size // 2, size // 2), *([(0, 0)] * (x.ndim - 2))]
    squares = padded(x.square(), ends).unfold(1, size, 1).sum(dim=-1)
    alpha, beta = node.real("alpha", 1e-4), node.real("beta", 0.75)
    return x / (node.real("bias", 1.0) + alpha / size * squares) ** beta


LAYERS: dict[str, Operator] = {
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_normalization,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "GlobalAveragePool": _global(lambda x, axes: x.mean(axes, keepdim=True)),
    "GlobalMaxPool": _global(lambda x, axes: torch.amax(x, axes, keepdim=True)),
    "GroupNormalization": _group_normalization,
    "InstanceNormalization": _instance_normalization,
    "LRN": _lrn,
    "LayerNormalization": _layer_normalization,
    "LpNormalization": _lp_normalization,
    "MaxPool": _max_pool,
    "RMSNormalization": _rms_normalization,
}

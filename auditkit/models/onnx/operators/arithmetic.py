"""Operators that work number by number, and sums over axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce

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
    dtype_of,
    optional,
    together,
    value,
    whole_numbers,
)


def _unary(function: Callable[[Tensor], Tensor]) -> Operator:
    return lambda _, values: function(value(values, 0))


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return lambda _, values: function(*together(value(values, 0), value(values, 1)))


def _variadic(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return lambda _, values: reduce(function, together(*(v for v in values if v is not None)))


def _div(a: Tensor, b: Tensor) -> Tensor:
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def _pow(a: Tensor, b: Tensor) -> Tensor:
    return torch.pow(a, b).to(a.dtype)  # the kind of the base


def _mod(node: Node, values: Values) -> Result:
    a, b = together(value(values, 0), value(values, 1))
    return torch.fmod(a, b) if node.integer("fmod", 0) else torch.remainder(a, b)


def _mean(_: Node, values: Values) -> Result:
    terms = together(*(v for v in values if v is not None))
    return reduce(torch.add, terms) / len(terms)


def _clip(node: Node, values: Values) -> Result:
    x = value(values, 0)
    if node.opset < 11:
        low = node.real("min", -math.inf)
        return x.clamp(low, node.real("max", math.inf))
    bounds = optional(values, 1), optional(values, 2)
    low, high = (None if one is None else one.to(x.device, x.dtype) for one in bounds)
    return x if low is None and high is None else torch.clamp(x, low, high)


def _prelu(_: Node, values: Values) -> Result:
    x, slope = together(value(values, 0), value(values, 1))
    return torch.where(x < 0, x * slope, x)


def _gelu(node: Node, values: Values) -> Result:
    return functional.gelu(value(values, 0), approximate=node.word("approximate", "none"))


def _hard_sigmoid(node: Node, values: Values) -> Result:
    return (value(values, 0) * node.real("alpha", 0.2) + node.real("beta", 0.5)).clamp(0, 1)


def _swish(node: Node, values: Values) -> Result:
    x = value(values, 0)
    return x * torch.sigmoid(node.real("alpha", 1.0) * x)


def _selu(node: Node, values: Values) -> Result:
    alpha = node.real("alpha", 1.67326319217681884765625)
    gamma = node.real("gamma", 1.05070102214813232421875)
    return gamma * functional.elu(value(values, 0), alpha)


def _where(_: Node, values: Values) -> Result:
    return torch.where(*together(value(values, 0), value(values, 1), value(values, 2)))


def _cast(node: Node, values: Values) -> Result:
    return value(values, 0).to(dtype_of(node.integer("to", 1)))


def _softmax(*, log: bool) -> Operator:
    function = functional.log_softmax if log else functional.softmax

    def apply(node: Node, values: Values) -> Result:
        x = value(values, 0)
        if node.opset >= 13:
            return function(x, dim=node.integer("axis", -1))
        axis = axis_of(node, x, 1)  # before opset 13, all axes from here on are one
        return function(x.flatten(axis), dim=axis).reshape(x.shape)

    return apply


def _axes(node: Node, values: Values, x: Tensor) -> list[int] | None:
    """Return the axes to reduce: attribute before opset 18 (ReduceSum 13), an input since."""
    axes = node.integers("axes")
    given = optional(values, 1)
    if given is not None:
        axes = whole_numbers(given)
    if not axes:
        return None if node.integer("noop_with_empty_axes", 0) else list(range(x.ndim))
    return axes


def _reduce(function: Callable[[Tensor, list[int], bool], Tensor]) -> Operator:
    def apply(node: Node, values: Values) -> Result:
        x = value(values, 0)
        axes = _axes(node, values, x)
        return x if axes is None else function(x, axes, node.integer("keepdims", 1) == 1)

    return apply


def _prod(x: Tensor, axes: list[int], keepdim: bool) -> Tensor:
    for axis in sorted((a % x.ndim for a in axes), reverse=True):
        x = torch.prod(x, dim=axis, keepdim=keepdim)
    return x


def _arg(function: Callable[..., Tensor]) -> Operator:
    def apply(node: Node, values: Values) -> Result:
        node.require("select_last_index", 0, 0)
        keepdim = node.integer("keepdims", 1) == 1
        return function(value(values, 0), dim=node.integer("axis", 0), keepdim=keepdim)

    return apply


def _cumsum(node: Node, values: Values) -> Result:
    node.require("exclusive", 0, 0)
    node.require("reverse", 0, 0)
    (axis,) = whole_numbers(value(values, 1))
    return value(values, 0).cumsum(axis).to(value(values, 0).dtype)


def _einsum(node: Node, values: Values) -> Result:
    return torch.einsum(node.word("equation", ""), *(v for v in values if v is not None))


def _softplus(x: Tensor) -> Tensor:
    return functional.softplus(x, threshold=88.0)  # torch's own threshold of 20 is a shortcut


def _matmul(_: Node, values: Values) -> Result:
    return torch.matmul(value(values, 0), value(values, 1))


def _gemm(node: Node, values: Values) -> Result:
    a, b = value(values, 0), value(values, 1)
    a = a.t() if node.integer("transA", 0) else a
    b = b.t() if node.integer("transB", 0) else b
    product = (a @ b) * node.real("alpha", 1.0) if node.real("alpha", 1.0) != 1 else a @ b
    added = optional(values, 2)
    if added is None or node.real("beta", 1.0) == 0:
        return product
    return product + (added if node.real("beta", 1.0) == 1 else added * node.real("beta", 1.0))


def _dropout(node: Node, values: Values) -> Result:
    x = value(values, 0)
    training = optional(values, 2)
    if training is not None and bool(training):
        raise UnsupportedError("Dropout in training mode")
    return (x, torch.ones_like(x, dtype=torch.bool)) if node.n_outputs > 1 else x


ARITHMETIC: dict[str, Operator] = {
    "Abs": _unary(torch.abs),
    "Add": _binary(torch.add),
    "And": _binary(torch.logical_and),
    "ArgMax": _arg(torch.argmax),
    "ArgMin": _arg(torch.argmin),
    "Cast": _cast,
    "CastLike": lambda _, values: value(values, 0).to(value(values, 1).dtype),
    "Ceil": _unary(torch.ceil),
    "Celu": lambda node, values: functional.celu(value(values, 0), node.real("alpha", 1.0)),
    "Clip": _clip,
    "Cos": _unary(torch.cos),
    "CumSum": _cumsum,
    "Div": _binary(_div),
    "Dropout": _dropout,
    "Einsum": _einsum,
    "Elu": lambda node, values: functional.elu(value(values, 0), node.real("alpha", 1.0)),
    "Equal": _binary(torch.eq),
    "Erf": _unary(torch.erf),
    "Exp": _unary(torch.exp),
    "Floor": _unary(torch.floor),
    "Gelu": _gelu,
    "Gemm": _gemm,
    "Greater": _binary(torch.gt),
    "GreaterOrEqual": _binary(torch.ge),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _unary(functional.hardswish),
    "Identity": _unary(lambda x: x),
    "IsNaN": _unary(torch.isnan),
    "LeakyRelu": lambda node, values: functional.leaky_relu(
        value(values, 0), node.real("alpha", 0.01)
    ),
    "Less": _binary(torch.lt),
    "LessOrEqual": _binary(torch.le),
    "Log": _unary(torch.log),
    "LogSoftmax": _softmax(log=True),
    "MatMul": _matmul,
    "Max": _variadic(torch.maximum),
    "Mean": _mean,
    "Min": _variadic(torch.minimum),
    "Mish": _unary(functional.mish),
    "Mod": _mod,
    "Mul": _binary(torch.mul),
    "Neg": _unary(torch.neg),
    "Not": _unary(torch.logical_not),
    "Or": _binary(torch.logical_or),
    "PRelu": _prelu,
    "Pow": _binary(_pow),
    "Reciprocal": _unary(torch.reciprocal),
    "ReduceL1": _reduce(lambda x, axes, keep: x.abs().sum(axes, keepdim=keep)),
    "ReduceL2": _reduce(lambda x, axes, keep: torch.linalg.vector_norm(x, 2, axes, keep)),
    "ReduceLogSumExp": _reduce(torch.logsumexp),
    "ReduceMax": _reduce(torch.amax),
    "ReduceMean": _reduce(lambda x, axes, keep: x.mean(axes, keepdim=keep)),
    "ReduceMin": _reduce(torch.amin),
    "ReduceProd": _reduce(_prod),
    "ReduceSum": _reduce(lambda x, axes, keep: x.sum(axes, keepdim=keep).to(x.dtype)),
    "ReduceSumSquare": _reduce(lambda x, axes, keep: x.square().sum(axes, keepdim=keep)),
    "Relu": _unary(torch.relu),
    "Round": _unary(torch.round),
    "Selu": _selu,
    "Sigmoid": _unary(torch.sigmoid),
    "Sign": _unary(torch.sign),
    "Sin": _unary(torch.sin),
    "Softmax": _softmax(log=False),
    "Softplus": _unary(_softplus),
    "Softsign": _unary(functional.softsign),
    "Sqrt": _unary(torch.sqrt),
    "Sub": _binary(torch.sub),
    "Sum": _variadic(torch.add),
    "Swish": _swish,
    "Tanh": _unary(torch.tanh),
    "Where": _where,
    "Xor": _binary(torch.logical_xor),
}

"""Which rules belong to which operator."""

from __future__ import annotations

from collections.abc import Callable

import torch

from auditkit.methods.certification import activations, affine
from auditkit.methods.certification.operations import Operation
from auditkit.methods.certification.pooling import MaxPool
from auditkit.methods.certification.products import (
    GroupNorm,
    LayerNorm,
    LogSoftmax,
    Rising,
    Softmax,
)
from auditkit.methods.certification.tracing import Program, Step, UnsupportedError, Variable


def _selected(step: Step) -> Operation:
    if isinstance(step.arguments[0], Variable):
        raise UnsupportedError("it chooses by a condition on the input (aten.where)")
    return affine.moved(step)


_MOVED = (
    "clone.default", "contiguous.default", "permute.default",
    "transpose.int", "t.default", "squeeze.default", "squeeze.dim", "squeeze.dims",
    "unsqueeze.default", "expand.default", "repeat.default", "slice.Tensor", "select.int",
    "narrow.default", "flip.default", "roll.default", "cat.default", "stack.default",
    "constant_pad_nd.default", "reflection_pad2d.default", "replication_pad2d.default",
    "unbind.int", "split.Tensor", "split_with_sizes.default", "chunk.default", "index.Tensor",
    "index_select.default", "upsample_nearest2d.default", "pixel_shuffle.default",
    "pixel_unshuffle.default", "channel_shuffle.default", "lift_fresh_copy.default",
)  # fmt: skip
_RULES: dict[str, Callable[[Step], Operation]] = {
    **dict.fromkeys(_MOVED, affine.moved),
    **dict.fromkeys(("view.default", "_unsafe_view.default", "reshape.default"), affine.reshaped),
    **dict.fromkeys(("alias.default", "detach.default"), affine.kept),
    "_to_copy.default": affine.copied,
    "where.self": _selected,
    "convolution.default": affine.convolution,
    "native_batch_norm.default": affine.normalised,
    "cudnn_batch_norm.default": affine.normalised,
    "_native_batch_norm_legit.default": affine.normalised,
    "_native_batch_norm_legit_no_training.default": affine.normalised,
    "addmm.default": affine.matrix_product,
    "mm.default": affine.matrix_product,
    "bmm.default": affine.matrix_product,
    "mul.Tensor": affine.scaled,
    "mul.Scalar": affine.scaled,
    "div.Tensor": affine.divided,
    "div.Scalar": affine.divided,
    "add.Tensor": affine.added,
    "add.Scalar": affine.added,
    "sub.Tensor": affine.subtracted,
    "sub.Scalar": affine.subtracted,
    "neg.default": affine.negated,
    "mean.dim": affine.averaged,
    "mean.default": affine.averaged,
    "sum.dim_IntList": affine.averaged,
    "sum.default": affine.averaged,
    "avg_pool2d.default": affine.averaged,
    "_adaptive_avg_pool2d.default": affine.averaged,
    "max_pool2d_with_indices.default": MaxPool,
    "relu.default": activations.relu,
    "leaky_relu.default": activations.leaky_relu,
    "clamp.default": activations.clamp,
    "clamp_min.default": activations.clamp,
    "clamp_max.default": activations.clamp,
    "hardtanh.default": activations.clamp,
    "abs.default": activations.absolute,
    "tanh.default": activations.tanh,
    "sigmoid.default": activations.sigmoid,
    "silu.default": activations.silu,
    "gelu.default": activations.gelu,
    "round.default": activations.rounding,
    "exp.default": lambda step: Rising(step, torch.exp, last=32.0),
    "log.default": lambda step: Rising(step, torch.log, last=8.0),
    "sqrt.default": lambda step: Rising(step, torch.sqrt, last=4.0),
    "_softmax.default": Softmax,
    "_log_softmax.default": LogSoftmax,
    "native_layer_norm.default": LayerNorm,
    "native_group_norm.default": GroupNorm,
}
OPERATORS = tuple(f"aten.{name}" for name in _RULES)


def operations(program: Program) -> list[Operation | None]:
    """Return the rules of every step; the input itself has none.

    Raises
    ------
    UnsupportedError
        If an operator has none, naming it.
    """
    return [None if step.name == "input" else _operation(step) for step in program.steps]


def _operation(step: Step) -> Operation:
    rule = _RULES.get(step.name.removeprefix("aten."))
    if rule is None or not step.name.startswith("aten."):
        raise UnsupportedError(f"it uses the operator {step.name}, for which there are no bounds")
    return rule(step)

"""Sums of products of variables and constants: convolutions, dense layers, means, copies."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from auditkit.methods.certification.operations import Affine, Operation
from auditkit.methods.certification.products import MatrixProduct, Product, Quotient
from auditkit.methods.certification.tracing import Argument, Step, UnsupportedError, Variable


def moved(step: Step) -> Operation:
    """Return rules where numbers are reordered, copied or left out, or constants put between."""

    def function(*values: Tensor) -> Tensor:
        return step(values)

    return Affine(
        step, function, gain=function, terms=0, positive=True, mixes=len(step.parents) > 1
    )


def reshaped(step: Step) -> Operation:
    """Return rules for another shape of the same numbers."""
    shape = step.shape

    def function(x: Tensor) -> Tensor:
        return x.reshape(shape)

    return Affine(
        step, function, gain=function, terms=0, positive=True, mixes=len(step.parents) > 1
    )


def kept(step: Step) -> Operation:
    """Return rules for the same numbers: what ends a gradient does not end a bound."""

    def function(x: Tensor) -> Tensor:
        return x

    return Affine(step, function, gain=function, terms=0, positive=True, mixes=False)


def copied(step: Step) -> Operation:
    """Return rules for the same numbers, perhaps in another precision."""
    if not step.dtype.is_floating_point:
        raise UnsupportedError("it turns numbers into whole ones (aten._to_copy)")

    def function(x: Tensor) -> Tensor:
        return x

    return Affine(step, function, gain=function, terms=1, positive=True, mixes=False)


def convolution(step: Step) -> Operation:
    """Return rules for any stride, padding, dilation and groups, also transposed."""
    _, weight, bias, stride, padding, dilation, transposed, more, groups = step.arguments
    if isinstance(weight, Variable) or isinstance(bias, Variable):
        raise UnsupportedError("it computes kernels from the input (aten.convolution)")
    exact, start = weight.double(), None if bias is None else bias.double()

    def apply(x: Tensor, kernel: Tensor, constant: Tensor | None) -> Tensor:
        return torch.ops.aten.convolution.default(
            x, kernel, constant, stride, padding, dilation, transposed, more, groups
        )

    size = exact.abs()
    channels = weight.shape[0] // groups if transposed else weight.shape[1]
    shape = [-1, *[1] * (weight.ndim - 2)]
    return Affine(
        step,
        lambda x: apply(x, exact, start),
        gain=lambda x: apply(x, size, None),
        offset=0.0 if start is None else start.abs().view(shape),
        terms=channels * math.prod(weight.shape[2:]) + 1,
        positive=False,
    )


def normalised(step: Step) -> Operation:
    """Return rules for batch normalisation with the moments of training."""
    if "no_training" in step.name:
        _, weight, bias, mean, variance, _, epsilon = step.arguments
    else:
        _, weight, bias, mean, variance, training, _, epsilon = step.arguments[:8]
        if training or mean is None:
            raise UnsupportedError("it normalises by the moments of the batch")
    shape = [-1, *[1] * (len(step.shape) - 2)]
    factor = (variance.double() + epsilon).rsqrt()
    factor = (factor if weight is None else factor * weight.double()).view(shape)
    centre = mean.double().view(shape)
    start = torch.zeros_like(centre) if bias is None else bias.double().view(shape)
    size = factor.abs()
    return Affine(
        step,
        lambda x: (x - centre) * factor + start,
        gain=lambda x: x * size,
        offset=centre.abs() * size + start.abs(),
        terms=6,
        positive=False,
        mixes=False,
    )


def matrix_product(step: Step) -> Operation:
    """Return rules for a variable and a constant matrix, or by intervals for two variables."""
    *added, first, last = step.arguments
    known = [one for one in (first, last) if not isinstance(one, Variable)]
    if step.keywords or len(added) > 1:
        raise UnsupportedError(f"it scales a product ({step.name})")
    if not known and not added:
        return MatrixProduct(step)
    if len(known) != 1 or any(isinstance(one, Variable) for one in added):
        raise UnsupportedError(f"it adds to a product of variables ({step.name})")
    matrix = known[0].double()
    size = matrix.abs()
    start = added[0].double() if added else None
    left = isinstance(last, Variable)

    def product(x: Tensor, factor: Tensor) -> Tensor:
        return factor @ x if left else x @ factor

    return Affine(
        step,
        lambda x: product(x, matrix) if start is None else product(x, matrix) + start,
        gain=lambda x: product(x, size),
        offset=0.0 if start is None else start.abs(),
        terms=matrix.shape[-1 if left else -2] + 1,
        positive=False,
    )


def scaled(step: Step) -> Operation:
    """Return rules for a constant factor, or by intervals for a variable one."""
    first, last = step.arguments
    if isinstance(first, Variable) and isinstance(last, Variable):
        return Product(step)
    factor = _number(last if isinstance(first, Variable) else first, step)
    size = factor.abs()
    return Affine(
        step, lambda x: x * factor, gain=lambda x: x * size, terms=2, positive=False, mixes=False
    )  # fmt: skip


def divided(step: Step) -> Operation:
    """Return rules for a constant divisor, or by intervals for a variable one."""
    if step.keywords:
        raise UnsupportedError("it rounds a quotient (aten.div)")
    first, last = step.arguments
    if not isinstance(first, Variable) or isinstance(last, Variable):
        return Quotient(step)
    divisor = _number(last, step)
    size = divisor.abs()
    return Affine(
        step, lambda x: x / divisor, gain=lambda x: x / size, terms=2, positive=False, mixes=False
    )  # fmt: skip


def added(step: Step) -> Operation:
    """Return rules for a sum."""
    return _sum(step, 1.0)


def subtracted(step: Step) -> Operation:
    """Return rules for a difference."""
    return _sum(step, -1.0)


def _sum(step: Step, sign: float) -> Operation:
    first, last = step.arguments
    if step.keywords.get("alpha", 1) != 1:
        raise UnsupportedError(f"it scales what it adds ({step.name})")
    if isinstance(first, Variable) and isinstance(last, Variable):
        same = first == last
        return Affine(
            step,
            (lambda x: x + sign * x) if same else (lambda x, y: x + sign * y),
            gain=(lambda x: x + x) if same else (lambda x, y: x + y),
            terms=2,
            positive=sign > 0,
        )
    ahead = isinstance(first, Variable)
    constant = _number(last if ahead else first, step)
    own, other = (1.0, sign) if ahead else (sign, 1.0)
    return Affine(
        step,
        lambda x: own * x + other * constant,
        gain=lambda x: x + torch.zeros_like(constant),
        offset=constant.abs(),
        terms=2,
        positive=own > 0,
        mixes=False,
    )


def negated(step: Step) -> Operation:
    """Return rules for a change of sign."""
    return Affine(step, torch.neg, gain=lambda x: x, terms=1, positive=False, mixes=False)


def averaged(step: Step) -> Operation:
    """Return rules for a mean or a sum over axes, or average pooling."""
    (read,) = step.reads
    if "pool" in step.name:  # windows may overlap, or reach over the rim
        whole = math.prod(-(-a // b) + 1 for a, b in zip(read[2:], step.shape[2:], strict=True))
        terms = math.prod(step.arguments[1]) if "avg_pool2d.default" in step.name else whole
        terms = max(terms, whole)
    else:
        terms = math.prod(read) // max(1, math.prod(step.shape))

    def function(x: Tensor) -> Tensor:
        return step([x])

    return Affine(step, function, gain=function, terms=terms + 2, positive=True)


def _number(one: Argument, step: Step) -> Tensor:
    if isinstance(one, Tensor):
        return one.double()
    if isinstance(one, bool) or not isinstance(one, int | float):
        raise UnsupportedError(f"it computes with {one!r} ({step.name})")
    return torch.tensor(float(one), dtype=torch.float64)

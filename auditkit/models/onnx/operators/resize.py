"""Resize and Upsample: each axis for itself, by positions and weights."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from auditkit.models.onnx.operators.node import (
    Node,
    Operator,
    Result,
    UnsupportedError,
    Values,
    bounded,
    optional,
    value,
    whole_numbers,
)


def _resize(node: Node, values: Values) -> Result:
    for name in ("antialias", "exclude_outside"):
        node.require(name, 0, 0)
    node.require("keep_aspect_ratio_policy", "stretch", "stretch")
    x = value(values, 0)
    if node.opset < 11:
        scales, sizes = value(values, 1), None
        how = "asymmetric"
    else:
        scales, sizes = optional(values, 2), optional(values, 3)
        how = node.word("coordinate_transformation_mode", "half_pixel")
    axes = node.integers("axes") or list(range(x.ndim))
    for axis, (size, scale) in zip(axes, _targets(x, axes, scales, sizes), strict=True):
        if size != x.shape[axis] or scale != 1:
            x = _along(node, x, axis % x.ndim, size, scale, how)
    return x


def _targets(
    x: Tensor, axes: list[int], scales: Tensor | None, sizes: Tensor | None
) -> list[tuple[int, float]]:
    """Return the new size and the scale of each axis."""
    if sizes is not None and sizes.numel():
        new = whole_numbers(sizes)
        pairs = [(size, size / x.shape[axis]) for axis, size in zip(axes, new, strict=True)]
    else:
        assert scales is not None
        factors = [float(v) for v in scales.tolist()]
        pairs = [
            (math.floor(x.shape[axis] * factor), factor)
            for axis, factor in zip(axes, factors, strict=True)
        ]
    bounded([size for size, _ in pairs])
    return pairs


def _along(node: Node, x: Tensor, axis: int, size: int, scale: float, how: str) -> Tensor:
    """Return the tensor with another size along one axis."""
    mode = node.word("mode", "nearest")
    old = x.shape[axis]
    # Positions (size,) in the old axis; in single precision, since ties are rounded in it.
    at = _source(how, torch.arange(size, dtype=torch.float32), old, size, scale)
    if mode == "nearest":
        rule = node.word("nearest_mode", "round_prefer_floor" if node.opset >= 11 else "floor")
        return _taken(x, axis, _ROUND[rule](at))
    if mode == "linear":
        at = at.clamp(0, old - 1)
        low = at.floor()
        return _mixed(x, axis, [(low, 1 - (at - low)), (low + 1, at - low)])
    if mode == "cubic":
        return _mixed(x, axis, _cubic(at, node.real("cubic_coeff_a", -0.75)))
    raise UnsupportedError(f"{node.op} with mode = {mode}")


def _source(how: str, places: Tensor, old: int, size: int, scale: float) -> Tensor:
    if how == "asymmetric":
        return places / scale
    if how == "align_corners":
        return places * ((old - 1) / (size - 1)) if size > 1 else torch.zeros_like(places)
    if how == "half_pixel" or (how == "pytorch_half_pixel" and size > 1):
        return (places + 0.5) / scale - 0.5
    if how == "pytorch_half_pixel":
        return torch.zeros_like(places)
    raise UnsupportedError(f"Resize with coordinate_transformation_mode = {how}")


_ROUND: dict[str, Callable[[Tensor], Tensor]] = {
    "round_prefer_floor": lambda at: torch.ceil(at - 0.5),
    "round_prefer_ceil": lambda at: torch.floor(at + 0.5),
    "floor": torch.floor,
    "ceil": torch.ceil,
}


def _taken(x: Tensor, axis: int, places: Tensor) -> Tensor:
    chosen = places.long().clamp(0, x.shape[axis] - 1)
    return x.index_select(axis, chosen.to(x.device))


def _mixed(x: Tensor, axis: int, terms: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the sum of numbers at some places times weights, along one axis."""
    form = [1] * x.ndim
    form[axis] = -1
    parts = [
        _taken(x, axis, places) * weights.to(x.device, x.dtype).reshape(form)
        for places, weights in terms
    ]
    return torch.stack(parts).sum(dim=0)


def _cubic(at: Tensor, a: float) -> list[tuple[Tensor, Tensor]]:
    """Return four places and their weights (Keys' kernel)."""
    low = at.floor()
    terms: list[tuple[Tensor, Tensor]] = []
    for shift in (-1, 0, 1, 2):
        far = (at - (low + shift)).abs()
        near = ((a + 2) * far - (a + 3)) * far**2 + 1
        beyond = ((a * far - 5 * a) * far + 8 * a) * far - 4 * a
        terms.append((low + shift, torch.where(far <= 1, near, beyond)))
    return terms


RESIZE: dict[str, Operator] = {"Resize": _resize, "Upsample": _resize}

"""Operators that move, cut, join and repeat numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

import torch
from torch import Tensor
from torch.nn import functional

from auditkit.models.onnx.operators.node import (
    Attribute,
    Node,
    Operator,
    Result,
    UnsupportedError,
    Values,
    axis_of,
    bounded,
    optional,
    together,
    value,
    whole_numbers,
)


def _reshape(node: Node, values: Values) -> Result:
    x = value(values, 0)
    shape = whole_numbers(value(values, 1))
    if not node.integer("allowzero", 0):
        shape = [x.shape[i] if size == 0 else size for i, size in enumerate(shape)]
    return x.reshape(shape)


def _flatten(node: Node, values: Values) -> Result:
    x = value(values, 0)
    axis = axis_of(node, x, 1)
    rows = 1
    for size in x.shape[:axis]:
        rows *= size
    return x.reshape(rows, -1)


def _transpose(node: Node, values: Values) -> Result:
    x = value(values, 0)
    return x.permute(node.integers("perm") or list(range(x.ndim))[::-1])


def _axes(node: Node, values: Values) -> list[int] | None:
    """Return axes: an attribute before opset 13, an input since."""
    given = optional(values, 1)
    return whole_numbers(given) if given is not None else node.integers("axes")


def _squeeze(node: Node, values: Values) -> Result:
    x, axes = value(values, 0), _axes(node, values)
    return x.squeeze() if axes is None else x.squeeze(axes)


def _unsqueeze(node: Node, values: Values) -> Result:
    x, axes = value(values, 0), _axes(node, values) or []
    rank = x.ndim + len(axes)
    for axis in sorted(a % rank for a in axes):
        x = x.unsqueeze(axis)
    return x


def _concat(node: Node, values: Values) -> Result:
    parts = together(*(v for v in values if v is not None))
    return torch.cat(parts, dim=node.integer("axis", 0))


def _split(node: Node, values: Values) -> Result:
    x = value(values, 0)
    axis = axis_of(node, x, 0)
    given = optional(values, 1)
    sizes = whole_numbers(given) if given is not None else node.integers("split")
    if sizes is None:
        each = -(-x.shape[axis] // node.n_outputs)  # the last one may be smaller
        sizes = [each] * (node.n_outputs - 1)
        sizes.append(x.shape[axis] - sum(sizes))
    return tuple(torch.split(x, sizes, dim=axis))


def _slice(node: Node, values: Values) -> Result:
    x = value(values, 0)
    if node.opset < 10:
        starts, ends = node.integers("starts") or [], node.integers("ends") or []
        axes, steps = node.integers("axes"), None
    else:
        starts, ends = whole_numbers(value(values, 1)), whole_numbers(value(values, 2))
        given, strides = optional(values, 3), optional(values, 4)
        axes = None if given is None else whole_numbers(given)
        steps = None if strides is None else whole_numbers(strides)
    axes = axes if axes is not None else list(range(len(starts)))
    for axis, start, end, step in zip(axes, starts, ends, steps or [1] * len(starts), strict=True):
        x = _cut(x, axis, slice(start, end, step))
    return x


def _cut(x: Tensor, axis: int, part: slice) -> Tensor:
    """Return a part along one axis; ends count and clamp as in Python, but for very low ends."""
    size = x.shape[axis]
    start, end, step = int(part.start), int(part.stop), int(part.step)
    stop = None if step < 0 and end < -size else end  # None: down to the first one
    chosen = range(size)[slice(start, stop, step)]
    if step > 0:
        axis %= x.ndim
        index = (slice(None),) * axis + (slice(chosen.start, max(chosen.start, chosen.stop), step),)
        return x[index]
    return x.index_select(axis, torch.tensor(list(chosen), dtype=torch.int64, device=x.device))


def _positions(indices: Tensor, size: int) -> Tensor:
    return torch.where(indices < 0, indices + size, indices)


def _gather(node: Node, values: Values) -> Result:
    x, indices = together(value(values, 0), value(values, 1))
    axis = axis_of(node, x, 0)
    flat = _positions(indices.reshape(-1).long(), x.shape[axis])
    found = x.index_select(axis, flat)
    return found.reshape([*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]])


def _gather_elements(node: Node, values: Values) -> Result:
    x, indices = together(value(values, 0), value(values, 1))
    axis = axis_of(node, x, 0)
    return torch.gather(x, axis, _positions(indices.long(), x.shape[axis]))


def _gather_nd(node: Node, values: Values) -> Result:
    node.require("batch_dims", 0, 0)
    x, indices = together(value(values, 0), value(values, 1))
    return x[tuple(indices.long().unbind(dim=-1))]


def _scatter_nd(node: Node, values: Values) -> Result:
    node.require("reduction", "none", "none")
    x, indices, updates = together(value(values, 0), value(values, 1), value(values, 2))
    return x.index_put(tuple(indices.long().unbind(dim=-1)), updates)


def _shape(node: Node, values: Values) -> Result:
    x = value(values, 0)
    end = node.attributes.get("end")
    part = slice(node.integer("start", 0), end if isinstance(end, int) else None)
    return torch.tensor(list(x.shape)[part], dtype=torch.int64)


def _size(_: Node, values: Values) -> Result:
    return torch.tensor(value(values, 0).numel(), dtype=torch.int64)


def _expand(_: Node, values: Values) -> Result:
    x, shape = value(values, 0), whole_numbers(value(values, 1))
    pairs = zip_longest(reversed(x.shape), reversed(shape), fillvalue=1)
    return x.expand(bounded([max(a, b) if b != 1 else a for a, b in pairs][::-1]))


def _tile(_: Node, values: Values) -> Result:
    x, repeats = value(values, 0), whole_numbers(value(values, 1))
    bounded([size * times for size, times in zip(x.shape, repeats, strict=True)])
    return x.repeat(repeats)


def _constant(node: Node, _: Values) -> Result:
    found = node.attributes.get("value")
    if isinstance(found, Tensor):
        return found
    kinds = {"value_int": torch.int64, "value_ints": torch.int64}
    kinds |= {"value_float": torch.float32, "value_floats": torch.float32}
    for name, kind in kinds.items():
        if name in node.attributes:
            return torch.tensor(node.attributes[name], dtype=kind)
    raise UnsupportedError(f"Constant with {', '.join(node.attributes)}")


def _constant_of_shape(node: Node, values: Values) -> Result:
    shape = bounded(whole_numbers(value(values, 0)))
    filling: Attribute = node.attributes.get("value", torch.zeros(1))
    assert isinstance(filling, Tensor)
    return filling.reshape(1).expand(1).repeat(_numbers(shape)).reshape(shape)


def _numbers(shape: Sequence[int]) -> int:
    found = 1
    for size in shape:
        found *= size
    return found


def _range(_: Node, values: Values) -> Result:
    start, limit, step = (value(values, i) for i in range(3))
    first, last, by = (one.item() for one in (start, limit, step))
    if by == 0:
        raise UnsupportedError("Range with a step of 0")
    bounded([max(0, int((last - first) / by) + 1)])
    return torch.arange(first, last, by, dtype=start.dtype)


def _pad(node: Node, values: Values) -> Result:
    x = value(values, 0)
    if node.opset < 11:
        pads, axes = node.integers("pads") or [], list(range(x.ndim))
        filling = node.real("value", 0.0)
    else:
        pads = whole_numbers(value(values, 1))
        given, chosen = optional(values, 2), optional(values, 3)
        filling = 0.0 if given is None else given.item()
        axes = list(range(x.ndim)) if chosen is None else whole_numbers(chosen)
    mode = node.word("mode", "constant")
    return padded(x, _both_ends(pads, axes, x.ndim), mode=mode, filling=filling)


def _both_ends(pads: list[int], axes: list[int], rank: int) -> list[tuple[int, int]]:
    ends = [(0, 0)] * rank
    for i, axis in enumerate(axes):
        ends[axis % rank] = (pads[i], pads[i + len(axes)])
    return ends


def padded(
    x: Tensor, ends: list[tuple[int, int]], *, mode: str = "constant", filling: float = 0.0
) -> Tensor:
    """Return a tensor with so many numbers more before and after each axis."""
    if all(pair == (0, 0) for pair in ends):
        return x
    bounded([size + sum(pair) for size, pair in zip(x.shape, ends, strict=True)])
    if mode == "constant":
        return functional.pad(x, [n for pair in reversed(ends) for n in pair], value=filling)
    for axis, (before, after) in enumerate(ends):
        if before or after:
            x = x.index_select(axis, _mirrored(x.shape[axis], before, after, mode).to(x.device))
    return x


def _mirrored(size: int, before: int, after: int, mode: str) -> Tensor:
    """Return which number along an axis stands at each place of the padded axis."""
    places = torch.arange(-before, size + after)
    if mode == "edge":
        return places.clamp(0, size - 1)
    if mode == "wrap":
        return places % size
    if mode == "reflect" and size > 1:
        places = places % (2 * size - 2)
        return torch.where(places < size, places, 2 * size - 2 - places)
    raise UnsupportedError(f"Pad with mode = {mode}")


def _depth_to_space(node: Node, values: Values) -> Result:
    x, b = value(values, 0), node.integer("blocksize", 1)
    n, c, h, w = x.shape
    if node.word("mode", "DCR") == "DCR":
        x = x.reshape(n, b, b, c // b**2, h, w).permute(0, 3, 4, 1, 5, 2)
    else:
        x = x.reshape(n, c // b**2, b, b, h, w).permute(0, 1, 4, 2, 5, 3)
    return x.reshape(n, c // b**2, h * b, w * b)


def _space_to_depth(node: Node, values: Values) -> Result:
    x, b = value(values, 0), node.integer("blocksize", 1)
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // b, b, w // b, b).permute(0, 3, 5, 1, 2, 4)
    return x.reshape(n, c * b**2, h // b, w // b)


def _trilu(node: Node, values: Values) -> Result:
    given = optional(values, 1)
    k = 0 if given is None else int(given.item())
    x = value(values, 0)
    return torch.triu(x, k) if node.integer("upper", 1) else torch.tril(x, k)


SHAPES: dict[str, Operator] = {
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "Pad": _pad,
    "Range": _range,
    "Reshape": _reshape,
    "ScatterND": _scatter_nd,
    "Shape": _shape,
    "Size": _size,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Trilu": _trilu,
    "Unsqueeze": _unsqueeze,
}

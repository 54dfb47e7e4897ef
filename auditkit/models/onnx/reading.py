"""What the one input of an ONNX model is: images in some layout, or rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

import onnx
import torch
from torch import Tensor

from auditkit.errors import ModelError

# How one image or row lies in the input, apart from the first axis, which counts inputs.
Layout: TypeAlias = Literal["c, h, w", "h, w, c", "h, w", "flat", "row"]
Dims: TypeAlias = "tuple[int | None, ...]"
_COLOURS = (1, 3)

DTYPES: dict[int, torch.dtype] = {
    onnx.TensorProto.FLOAT: torch.float32,
    onnx.TensorProto.DOUBLE: torch.float64,
    onnx.TensorProto.FLOAT16: torch.float16,
    onnx.TensorProto.UINT8: torch.uint8,
    onnx.TensorProto.INT8: torch.int8,
    onnx.TensorProto.INT16: torch.int16,
    onnx.TensorProto.INT32: torch.int32,
    onnx.TensorProto.INT64: torch.int64,
}


@final
@dataclass(frozen=True, kw_only=True)
class Reading:
    """How inputs are handed to a model.

    Parameters
    ----------
    name : str
        Of the input.
    layout : str
        How one image or row lies in it.
    shape : tuple of int
        (c, h, w) of one image, or (d,) of one row.
    dtype : torch.dtype
        That the file declares.
    batch : int, optional
        How many inputs it takes at a time, if the file fixes that.
    """

    name: str
    layout: Layout
    shape: tuple[int, ...]
    dtype: torch.dtype
    batch: int | None

    @property
    def of_images(self) -> bool:
        """Whether the model reads images."""
        return self.layout != "row"

    @property
    def whole(self) -> bool:
        """Whether the model reads whole numbers."""
        return not self.dtype.is_floating_point

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape (c, h, w) of one image."""
        c, h, w = self.shape
        return c, h, w

    def prepare(self, inputs: Tensor) -> Tensor:
        """Return images (n, c, h, w) or rows (n, d) as the model reads them.

        Where it reads whole numbers, gradients pass the rounding as if it were not there.
        """
        if self.layout == "h, w, c":
            inputs = inputs.permute(0, 2, 3, 1).contiguous()
        elif self.layout == "h, w":
            inputs = inputs[:, 0]
        elif self.layout == "flat":
            inputs = inputs.flatten(1)
        if not self.whole:
            return inputs.to(self.dtype)
        limits = torch.iinfo(self.dtype)
        rounded = inputs.detach().round().clamp(limits.min, limits.max)
        return rounded + (inputs - inputs.detach())  # adds 0, and a gradient of 1

    def in_words(self) -> str:
        """Say what is read."""
        kind = str(self.dtype).removeprefix("torch.")
        if self.layout == "row":
            return f"The input {self.name!r} is read as rows of {self.shape[0]} numbers, {kind}."
        form = "flattened images" if self.layout == "flat" else f"images (n, {self.layout})"
        return f"The input {self.name!r} is read as {form} with (c, h, w) = {self.shape}, {kind}."


def reading_of(
    graph: onnx.GraphProto,
    *,
    input_shape: tuple[int, int, int] | None,
    features: Sequence[str] | None,
) -> Reading:
    """Return what the input of a graph is; options say what the file leaves open.

    Raises
    ------
    ModelError
        If there are several inputs, or it is neither images nor rows.
    """
    if reads_tokens(graph) and input_shape is None and features is None:
        names = ", ".join(one.name for one in open_inputs(graph))
        raise ModelError(
            f"The ONNX model reads token ids ({names}), and the file does not hold the words.",
            hint="Add the file with the words and their ids: --vocabulary tokenizer.json",
        )
    port = _only_input(graph)
    kind = port.type.tensor_type
    if not port.type.HasField("tensor_type") or kind.elem_type not in DTYPES:
        raise ModelError(f"The input {port.name!r} holds no numbers that auditkit can hand over.")
    if not kind.HasField("shape"):
        raise ModelError(
            f"The ONNX model does not say of what shape its input {port.name!r} is.",
            hint="Export it with a shape, or set one: onnx.tools.update_model_dims",
        )
    dims = tuple(d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim)
    if not dims:
        raise ModelError(f"The input {port.name!r} is a single number, no batch.")
    layout, shape = _layout(port.name, dims[1:], input_shape, features, _turns(graph, port.name))
    dtype = DTYPES[kind.elem_type]
    if layout == "row" and dtype in (torch.int32, torch.int64):
        raise ModelError(
            f"The input {port.name!r} holds whole numbers ({shape[0]} per input), as networks of"
            " texts read; an ONNX file does not hold the tokenizer.",
            hint="Audit the torch network it was made from: auditkit.save(classifier, path)",
        )
    return Reading(name=port.name, layout=layout, shape=shape, dtype=dtype, batch=dims[0] or None)


def open_inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """Return the inputs that have no default."""
    defaults = {one.name for one in graph.initializer}
    return [one for one in graph.input if one.name not in defaults]


def reads_tokens(graph: onnx.GraphProto) -> bool:
    """Say whether a graph reads whole numbers (n, t) that it looks up in a table."""
    whole = (onnx.TensorProto.INT32, onnx.TensorProto.INT64)
    names = {
        one.name
        for one in open_inputs(graph)
        if one.type.tensor_type.elem_type in whole and len(one.type.tensor_type.shape.dim) == 2
    }
    for node in graph.node:
        if node.op_type in ("Cast", "Identity") and node.input[0] in names:
            names.add(node.output[0])
    return any(node.op_type == "Gather" and node.input[1] in names for node in graph.node)


def _only_input(graph: onnx.GraphProto) -> onnx.ValueInfoProto:
    ports = open_inputs(graph)
    if len(ports) != 1:
        names = ", ".join(one.name for one in ports) or "none"
        raise ModelError(
            f"The ONNX model has {len(ports)} inputs ({names}), expected one.",
            hint="Export it with one input, and the others as constants or with defaults.",
        )
    return ports[0]


def _turns(graph: onnx.GraphProto, name: str) -> bool:
    """Say whether the graph begins by moving the colours of its input to the front."""
    readers = [node for node in graph.node if name in node.input]
    return any(
        node.op_type == "Transpose"
        and any(one.name == "perm" and list(one.ints) == [0, 3, 1, 2] for one in node.attribute)
        for node in readers
    )


def _layout(
    name: str,
    dims: Dims,
    wanted: tuple[int, int, int] | None,
    features: Sequence[str] | None,
    turns: bool,
) -> tuple[Layout, tuple[int, ...]]:
    match dims:
        case (_, _, _):
            return _image(name, dims, wanted, turns)
        case (h, w):
            return "h, w", _sized(name, dims, wanted, (1, h, w))
        case (d,) if wanted is not None:
            c, h, w = wanted
            if d not in (None, c * h * w):
                raise ModelError(
                    f"The input {name!r} takes {d} numbers, --input-shape {c},{h},{w} has"
                    f" {c * h * w}."
                )
            return "flat", wanted
        case (d,):
            return "row", (_columns(name, d, features),)
        case _:
            shape = ", ".join("?" if d is None else str(d) for d in dims)
            raise ModelError(
                f"The input {name!r} has the shape (n, {shape}), neither images nor rows."
            )


def _image(
    name: str, dims: Dims, wanted: tuple[int, int, int] | None, turns: bool
) -> tuple[Layout, tuple[int, ...]]:
    a, b, c = dims
    first, last = (a, b, c), (c, a, b)  # (c, h, w) where colours come first, or last
    at_end = turns or (c in _COLOURS and a not in _COLOURS and a is not None)
    if wanted is not None:
        fits_first, fits_last = _fits(first, wanted), _fits(last, wanted)
        at_end = fits_last and (at_end or not fits_first)
    elif c in _COLOURS and a is None:
        at_end = True
    layout: Layout = "h, w, c" if at_end else "c, h, w"
    return layout, _sized(name, dims, wanted, last if at_end else first)


def _fits(shape: Dims, wanted: tuple[int, ...]) -> bool:
    return all(size in (None, given) for size, given in zip(shape, wanted, strict=True))


def _sized(
    name: str, dims: Dims, wanted: tuple[int, int, int] | None, shape: Dims
) -> tuple[int, ...]:
    """Return the shape of one image; the option fills what the file leaves open."""
    said = ", ".join("?" if size is None else str(size) for size in dims)
    known = tuple(size for size in shape if size is not None)
    if wanted is None:
        if len(known) == len(shape):
            return known
        raise ModelError(
            f"The ONNX model reads images of any size: {name!r} has the shape (n, {said}).",
            hint="Add: --input-shape C,H,W",
        )
    if not _fits(shape, wanted):
        raise ModelError(
            f"The input {name!r} has the shape (n, {said}), --input-shape says {wanted}.",
            hint="Leave --input-shape out, or give it as C,H,W.",
        )
    return wanted


def _columns(name: str, d: int | None, features: Sequence[str] | None) -> int:
    if features is None:
        raise ModelError(
            f"The input {name!r} takes rows of {d or 'any number of'} numbers, and the file does"
            " not say which columns they are.",
            hint="Add: --features NAME,NAME,... in the order of the input; or --input-shape C,H,W"
            " if they are the pixels of an image.",
        )
    if d not in (None, len(features)):
        raise ModelError(
            f"The input {name!r} takes rows of {d} numbers, --features names {len(features)}."
        )
    return len(features)

"""Small changes to an ONNX model that make its scores plain; each is checked where it is used."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import onnx
from google.protobuf.message import DecodeError, EncodeError
from onnx import inliner, numpy_helper, shape_inference

from auditkit.errors import ModelError
from auditkit.models.onnx.external import place_of
from auditkit.models.onnx.facts import DTYPES, Numbers
from auditkit.models.onnx.oddities import NUMBERS_LIMIT

Ending: TypeAlias = Literal["scores", "softmax", "sigmoid"]
_FEW = 1024  # numbers of a tensor that shapes may be computed from


def read_model(path: Path) -> onnx.ModelProto:
    """Return a model that was inspected and found safe, with all of its numbers inside.

    Raises
    ------
    ModelError
        If it cannot be parsed, or together with its outside numbers is too long.
    """
    try:
        model = onnx.load_model(str(path), load_external_data=False)
    except DecodeError as error:
        raise ModelError(f"{path} is a damaged ONNX file: {error}.") from error
    for tensor in _tensors(model.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            _bring_in(tensor, path)
    if model.functions:
        model = inliner.inline_local_functions(model)
    return model


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                yield attribute.t
            elif attribute.type == onnx.AttributeProto.GRAPH:
                yield from _tensors(attribute.g)


def _bring_in(tensor: onnx.TensorProto, path: Path) -> None:
    numbers = Numbers(
        name=tensor.name,
        shape=tuple(tensor.dims),
        dtype=DTYPES.get(tensor.data_type, ("unknown", 8))[0],
        stored=0,
        external={one.key: one.value for one in tensor.external_data},
    )
    tensor.raw_data = place_of(numbers, path).read()
    del tensor.external_data[:]
    tensor.data_location = onnx.TensorProto.DEFAULT


def to_bytes(model: onnx.ModelProto) -> bytes:
    """Return the model as onnxruntime reads it.

    Raises
    ------
    ModelError
        If it is longer than 2 GiB.
    """
    try:
        return model.SerializeToString()
    except (EncodeError, ValueError) as error:
        raise ModelError(
            "The ONNX model and the numbers beside it are longer than 2 GiB.",
            hint="auditkit reads ONNX models of up to 2 GiB.",
        ) from error


def refuse_bombs(model: onnx.ModelProto) -> None:
    """Follow shapes through the graph and refuse tensors that are absurdly large.

    Raises
    ------
    ModelError
        If one is; sizes that depend on inputs are not known.
    """
    skeleton = onnx.ModelProto()
    skeleton.CopyFrom(model)
    for tensor in skeleton.graph.initializer:
        if tensor.ByteSize() > 8 * _FEW:
            tensor.ClearField("raw_data")
    try:
        inferred = shape_inference.infer_shapes(skeleton, data_prop=True)
    except (shape_inference.InferenceError, ValueError, RuntimeError):
        return  # onnxruntime says better what is wrong
    for info in inferred.graph.value_info:
        shape = [one.dim_value for one in info.type.tensor_type.shape.dim]
        numbers = 1
        for size in shape:
            numbers *= max(1, size)
        if numbers > NUMBERS_LIMIT:
            raise ModelError(
                f"The ONNX model makes a tensor {info.name!r} of shape {tuple(shape)}, more than"
                f" {NUMBERS_LIMIT:,} numbers."
            )


def without_maps(model: onnx.ModelProto) -> tuple[str, ...]:
    """Let ZipMap hand out its scores as a tensor; return the class names that it held."""
    classes: tuple[str, ...] = ()
    for node in list(model.graph.node):
        if node.op_type != "ZipMap" or node.domain != "ai.onnx.ml":
            continue
        for attribute in node.attribute:
            if attribute.name == "classlabels_strings":
                classes = tuple(one.decode("utf-8", errors="replace") for one in attribute.strings)
            elif attribute.name == "classlabels_int64s":
                classes = tuple(map(str, attribute.ints))
        plain = onnx.helper.make_node("Identity", [node.input[0]], [node.output[0]])
        for output in model.graph.output:
            if output.name == node.output[0]:
                shape = [None, len(classes) or None]
                output.CopyFrom(
                    onnx.helper.make_tensor_value_info(output.name, onnx.TensorProto.FLOAT, shape)
                )
        node.CopyFrom(plain)
    return classes


def with_output(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Return the model with one output alone, of any shape, and what it depends on."""
    small = copy.deepcopy(model)
    kept = [one for one in small.graph.output if one.name == name]
    kind = kept[0].type.tensor_type.elem_type
    del small.graph.output[:]
    small.graph.output.append(onnx.helper.make_tensor_value_info(name, kind, None))
    wanted, nodes = {name}, list[onnx.NodeProto]()
    for node in reversed(small.graph.node):
        inner = any(one.type == onnx.AttributeProto.GRAPH for one in node.attribute)
        if inner:  # what an inner graph reads is not listed: keep everything
            return small
        if wanted & set(node.output):
            wanted.update(node.input)
            nodes.append(node)
    kept_nodes = [copy.deepcopy(node) for node in reversed(nodes)]
    del small.graph.node[:]
    small.graph.node.extend(kept_nodes)
    return small


def without_last_squashing(model: onnx.ModelProto) -> tuple[onnx.ModelProto, Ending]:
    """Return a model of one output with log p in place of p, and how it ended.

    A last Softmax becomes LogSoftmax, a last Sigmoid of one score is left out.
    """
    changed = copy.deepcopy(model)
    name = changed.graph.output[0].name
    makers = {output: node for node in changed.graph.node for output in node.output}
    readers = [one for node in changed.graph.node for one in node.input]
    node = makers.get(name)
    while node is not None and node.op_type in ("Identity", "Cast", "Flatten", "Squeeze"):
        if readers.count(node.input[0]) > 1:
            return model, "scores"
        node = makers.get(node.input[0])
    if node is None or node.op_type not in ("Softmax", "Sigmoid"):
        return model, "scores"
    if node.op_type == "Softmax":
        node.op_type = "LogSoftmax"
        return changed, "softmax"
    node.op_type = "Identity"
    return changed, "sigmoid"


def with_free_batch(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model for one input at a time that takes any number: a guess, to be checked.

    The first axis of the input gets a name in place of its size, and so do the shapes that begin
    with a 1 in Reshape.
    """
    free = copy.deepcopy(model)
    defaults = {one.name for one in free.graph.initializer}
    for port in free.graph.input:
        if port.name not in defaults:
            port.type.tensor_type.shape.dim[0].dim_param = "batch"
    for port in free.graph.output:
        port.type.tensor_type.ClearField("shape")
    del free.graph.value_info[:]
    constants = {one.name: one for one in free.graph.initializer}
    for node in free.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    fresh: dict[str, onnx.TensorProto] = {}
    for i, node in enumerate(free.graph.node):
        shape = constants.get(node.input[1]) if node.op_type == "Reshape" else None
        if shape is None:
            continue
        sizes = [int(v) for v in numpy_helper.to_array(shape)]
        if sizes and sizes[0] == 1:
            sizes[0] = 0 if -1 in sizes else -1  # 0 takes the size that the input has there
            name = f"auditkit_shape_{i}"
            fresh[name] = onnx.helper.make_tensor(name, onnx.TensorProto.INT64, [len(sizes)], sizes)
            node.input[1] = name
    free.graph.initializer.extend(fresh.values())
    return free

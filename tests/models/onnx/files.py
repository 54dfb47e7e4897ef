"""ONNX files written by hand: small classifiers, and every quirk and trick of the format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

IR = {11: 6, 13: 7, 17: 8, 18: 8, 20: 9, 21: 10, 22: 10, 23: 11}  # format versions of those years
FLOAT = TensorProto.FLOAT


def graph_of(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: dict[str, Any] | None = None,
) -> onnx.GraphProto:
    arrays = [numpy_helper.from_array(np.asarray(v), k) for k, v in (constants or {}).items()]
    return helper.make_graph(nodes, "g", inputs, outputs, arrays)


def model_of(graph: onnx.GraphProto, opset: int = 17, **domains: int) -> onnx.ModelProto:
    imports = [helper.make_opsetid("", opset)]
    imports += [helper.make_opsetid(k.replace("_", "."), v) for k, v in domains.items()]
    return helper.make_model(
        graph, opset_imports=imports, ir_version=IR.get(opset, 8), producer_name="by hand"
    )


def port(name: str, shape: Sequence[int | str | None] | None, kind: int = FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def write(model: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def weights(*shape: int, seed: int = 0, kind: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(kind) * np.asarray(0.5, kind)


def cnn(
    *,
    batch: int | str = "n",
    ending: Sequence[onnx.NodeProto] = (),
    output: str = "logits",
    opset: int = 17,
) -> onnx.ModelProto:
    """Images (n, 1, 6, 6) to 3 scores: Conv, Relu, Reshape to (n, 72) as in exports, Gemm."""
    rows = batch if isinstance(batch, int) else -1
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Reshape", ["r", "rows"], ["f"]),
        helper.make_node("Gemm", ["f", "v", "d"], ["logits"], transB=1),
        *ending,
    ]
    constants = {
        "w": weights(2, 1, 3, 3),
        "b": weights(2, seed=1),
        "rows": np.array([rows, 72]),
        "v": weights(3, 72, seed=2),
        "d": weights(3, seed=3),
    }
    graph = graph_of(nodes, [port("x", [batch, 1, 6, 6])], [port(output, [batch, 3])], constants)
    return model_of(graph, opset)


def looping(turns: float) -> onnx.ModelProto:
    """The CNN, and a loop that changes nothing; it turns so often where a pixel is 1, else once."""
    body = graph_of(
        [
            helper.make_node("Identity", ["go_on"], ["going"]),
            helper.make_node("Identity", ["before"], ["after"]),
        ],
        [
            port("i", [], TensorProto.INT64),
            port("go_on", [], TensorProto.BOOL),
            port("before", ["n", 3]),
        ],
        [port("going", [], TensorProto.BOOL), port("after", ["n", 3])],
    )
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["top"], keepdims=0),
        helper.make_node("Floor", ["top"], ["full"]),
        helper.make_node("Mul", ["full", "most"], ["wanted"]),
        helper.make_node("Max", ["wanted", "once"], ["number"]),
        helper.make_node("Cast", ["number"], ["turns"], to=TensorProto.INT64),
        helper.make_node("Loop", ["turns", "yes", "logits"], ["y"], body=body),
    ]
    model = cnn(ending=nodes, output="y")
    for name, value in (("most", turns), ("once", 1.0)):
        one = numpy_helper.from_array(np.array(value, np.float32), name)
        model.graph.initializer.append(one)
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    return model


def attention(*, batch: int | str = "n", opset: int = 17) -> onnx.ModelProto:
    """Images (n, 1, 4, 4) as 4 rows of 4 numbers, one head of attention, mean, 3 scores."""
    n = batch if isinstance(batch, int) else 0
    nodes = [
        helper.make_node("Reshape", ["x", "rows"], ["t"]),
        helper.make_node("MatMul", ["t", "wq"], ["q"]),
        helper.make_node("MatMul", ["t", "wk"], ["k"]),
        helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "kt"], ["s"]),
        helper.make_node("Softmax", ["s"], ["p"], axis=-1),
        helper.make_node("MatMul", ["p", "t"], ["a"]),
        helper.make_node("Add", ["a", "t"], ["r"]),
        helper.make_node("LayerNormalization", ["r", "g", "h"], ["l"]),
        helper.make_node("ReduceMean", ["l"], ["m"], axes=[1], keepdims=0),
        helper.make_node("Gemm", ["m", "v"], ["logits"]),
    ]
    constants = {
        "rows": np.array([n, 4, 4]),
        "wq": weights(4, 4),
        "wk": weights(4, 4, seed=1),
        "g": weights(4, seed=2),
        "h": weights(4, seed=3),
        "v": weights(4, 3, seed=4),
    }
    graph = graph_of(nodes, [port("x", [batch, 1, 4, 4])], [port("logits", [batch, 3])], constants)
    return model_of(graph, opset)

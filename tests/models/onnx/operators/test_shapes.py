"""Mirrors auditkit/models/onnx/operators/shapes.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx import helper, numpy_helper

from auditkit.errors import ModelError
from auditkit.models.onnx.graph import OnnxGraph
from auditkit.models.onnx.operators.node import NUMBERS_LIMIT
from auditkit.models.onnx.operators.shapes import SHAPES
from auditkit.models.onnx.session import Session
from tests.models.onnx.files import graph_of, model_of, port, weights
from tests.models.onnx.operators.cases import Case, check, params


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


LARGE, LOW = 2**63 - 1, -(2**63)
CASES = [
    Case("Reshape", 11, others=(ints(0, -1),)),
    Case("Reshape", 13, others=(ints(2, 3, 20),)),
    Case("Reshape", 14, (2, 0, 3), (ints(0, 2),), {"allowzero": 1}),
    Case("Flatten", 11),
    *(Case("Flatten", 13, attributes={"axis": a}) for a in (0, 2, -1)),
    Case("Transpose", 11),
    Case("Transpose", 13, attributes={"perm": [0, 2, 3, 1]}),
    Case("Squeeze", 11, (2, 1, 3, 1), attributes={"axes": [1, 3]}),
    Case("Squeeze", 13, (2, 1, 3, 1), (ints(-1),)),
    Case("Squeeze", 13, (2, 1, 3, 1)),
    Case("Unsqueeze", 11, attributes={"axes": [0, 5]}),
    Case("Unsqueeze", 13, others=(ints(-1, 1),)),
    Case("Concat", 11, others=(weights(2, 1, 5, 4),), attributes={"axis": 1}),
    Case("Concat", 13, others=(weights(2, 3, 5, 2),), attributes={"axis": -1}),
    *(
        Case("Split", 11, (2, 6), attributes={"axis": 1, "split": [1, 5]}, outputs=2, asked=a)
        for a in (0, 1)
    ),
    Case("Split", 13, (2, 6), (ints(4, 2),), {"axis": -1}, outputs=2, asked=1),
    Case("Split", 13, (2, 6), attributes={"axis": 1}, outputs=3, asked=1),
    Case("Split", 18, (2, 7), attributes={"axis": 1, "num_outputs": 3}, outputs=3, asked=2),
    Case("Slice", 9, attributes={"starts": [1, -2], "ends": [2, LARGE], "axes": [0, 2]}),
    Case("Slice", 11, others=(ints(0, 1), ints(2, LARGE))),
    Case("Slice", 13, others=(ints(0, 1), ints(LARGE, -1), ints(-1, 1), ints(2, 1))),
    Case("Slice", 13, others=(ints(-1), ints(LOW), ints(3), ints(-1))),
    Case("Slice", 13, others=(ints(4), ints(0), ints(2), ints(-2))),
    Case("Slice", 13, others=(ints(3), ints(1), ints(2))),
    Case("Gather", 11, others=(ints(2, 0, -1),), attributes={"axis": 1}),
    Case("Gather", 13, others=(np.int64(1),), attributes={"axis": 2}),
    Case("Gather", 13, others=(np.array([[0, 1], [1, -1]], dtype=np.int64),)),
    Case("GatherElements", 13, (3, 2), (np.array([[0, -1], [2, 1]], dtype=np.int64),)),
    Case("GatherND", 13, others=(np.array([[0, 1], [1, 2]], dtype=np.int64),)),
    Case(
        "ScatterND",
        16,
        (4, 3),
        (np.array([[0], [-1]], dtype=np.int64), weights(2, 3)),
    ),
    Case("Shape", 13, whole=True),
    Case("Shape", 15, attributes={"start": 1, "end": -1}, whole=True),
    Case("Size", 13, whole=True),
    Case("Expand", 13, (3, 1), (ints(2, 1, 4),)),
    Case("Expand", 13, (3, 4), (ints(1),)),
    Case("Tile", 13, (2, 3), (ints(2, 3),)),
    Case("Pad", 10, attributes={"pads": [0, 0, 1, 2, 0, 0, 0, 3], "value": 0.5}),
    Case("Pad", 13, others=(ints(0, 0, 1, 2, 0, 1, 0, 3), np.float32(2.5))),
    Case("Pad", 13, others=(ints(0, 0, -1, 0, 0, 0, 0, -2),)),
    Case("Pad", 18, others=(ints(1, 2, 0, 1), None, ints(2, -1))),
    Case("Pad", 13, others=(ints(0, 0, 1, 2, 0, 0, 3, 1),), attributes={"mode": "reflect"}),
    Case("Pad", 13, others=(ints(0, 0, 1, 2, 0, 0, 3, 1),), attributes={"mode": "edge"}),
    Case("Pad", 19, others=(ints(0, 0, 1, 2, 0, 0, 3, 1),), attributes={"mode": "wrap"}),
    *(
        Case("DepthToSpace", 13, (2, 8, 3, 2), attributes={"blocksize": 2, "mode": mode})
        for mode in ("DCR", "CRD")
    ),
    Case("SpaceToDepth", 13, (2, 3, 4, 6), attributes={"blocksize": 2}),
    *(Case("Trilu", 14, (2, 4, 4), attributes={"upper": u}) for u in (0, 1)),
    Case("Trilu", 14, (4, 4), (np.int64(1),)),
]


@pytest.mark.parametrize("case", params(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)


def test_shapes_that_a_graph_computes_and_logic() -> None:
    """A mask that is made of Range, ConstantOfShape, comparison and logic, as exporters write."""
    one = numpy_helper.from_array(np.array([2.0], np.float32), "")
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "last"], ["c"]),
        helper.make_node("Range", ["zero", "c", "step"], ["r"]),
        helper.make_node("Less", ["r", "two"], ["low"]),
        helper.make_node("Not", ["low"], ["high"]),
        helper.make_node("Or", ["low", "high"], ["all"]),
        helper.make_node("And", ["all", "low"], ["mask"]),
        helper.make_node("Xor", ["mask", "all"], ["other"]),
        helper.make_node("ConstantOfShape", ["s"], ["fill"], value=one),
        helper.make_node("Constant", [], ["half"], value_float=0.5),
        helper.make_node("Mul", ["fill", "half"], ["filled"]),
        helper.make_node("Where", ["other", "x", "filled"], ["y0"]),
    ]
    constants = {"last": np.int64(1), "zero": np.int64(0), "step": np.int64(1), "two": np.int64(2)}
    graph = graph_of(nodes, [port("x", [3, 4])], [port("y0", None)], constants)
    model, x = model_of(graph, 17), weights(3, 4)
    (wanted,) = Session(model.SerializeToString(), batch=None).answers(x).values()
    assert isinstance(wanted, np.ndarray)
    found = OnnxGraph(model, input_name="x", output_name="y0")(torch.from_numpy(x))
    np.testing.assert_array_equal(found.numpy(), wanted)
    assert (wanted[:, :2] == 1).all()
    assert (wanted[:, 2:] == x[:, 2:]).all()


def test_an_absurdly_large_tensor_is_not_made() -> None:
    node = helper.make_node("Expand", ["x", "s"], ["y0"])
    constants = {"s": ints(NUMBERS_LIMIT, 2)}
    graph = graph_of([node], [port("x", [1, 2])], [port("y0", None)], constants)
    with pytest.raises(ModelError, match="makes a tensor of shape"):
        OnnxGraph(model_of(graph), input_name="x", output_name="y0")(torch.zeros(1, 2))


def test_every_operator_is_here() -> None:
    in_graphs = {"Constant", "ConstantOfShape", "Range"}
    assert {case.op for case in CASES} | in_graphs == set(SHAPES)

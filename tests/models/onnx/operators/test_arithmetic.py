"""Mirrors auditkit/models/onnx/operators/arithmetic.py."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto

from auditkit.models.onnx.operators.arithmetic import ARITHMETIC
from tests.models.onnx.files import weights
from tests.models.onnx.operators.cases import Case, check, params

ROW = weights(4, seed=3)
COLUMN = weights(3, 1, 1, seed=4)
F = np.float32

PLAIN = ["Abs", "Erf", "Exp", "Identity", "Neg", "Relu", "Sigmoid", "Sign", "Softplus", "Tanh"]
PLAIN += ["Ceil", "Cos", "Elu", "Floor", "HardSigmoid", "LeakyRelu", "Reciprocal", "Round", "Sin"]
PLAIN += ["Selu", "Celu", "Softsign"]
REDUCTIONS = ["ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin"]
REDUCTIONS += ["ReduceProd", "ReduceSum", "ReduceSumSquare"]

CASES = [
    *(Case(op, opset) for op in PLAIN for opset in (11 if op != "Celu" else 12, 17)),
    *(Case(op, 17, positive=True) for op in ("Log", "Sqrt")),
    Case("Celu", 12, attributes={"alpha": 0.7}),
    Case("Elu", 11, attributes={"alpha": 0.3}),
    Case("HardSigmoid", 11, attributes={"alpha": 0.1, "beta": 0.4}),
    Case("LeakyRelu", 11, attributes={"alpha": 0.3}),
    Case("Selu", 11, attributes={"alpha": 2.0, "gamma": 0.5}),
    Case("HardSwish", 14),
    Case("Mish", 18),
    Case("Gelu", 20),
    Case("Gelu", 20, attributes={"approximate": "tanh"}),
    Case("Round", 11, (6,)),
    Case("IsNaN", 13, whole=True),
    *(
        Case(op, opset, others=(other,))
        for op in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Mean", "Sum")
        for opset in (11, 13)
        for other in (ROW, COLUMN)
    ),
    Case("Max", 13, others=(ROW, COLUMN)),
    Case("Mean", 13, others=(ROW, COLUMN)),
    Case("Sum", 13, others=(ROW, COLUMN)),
    Case("Pow", 13, others=(F(2),)),
    Case("Pow", 13, others=(np.int64(3),)),
    Case("Pow", 11, others=(F(0.5),), positive=True),
    Case("Mod", 13, others=(F(0.7),), attributes={"fmod": 1}),
    Case("PRelu", 11, others=(weights(3, 1, 1),)),
    Case("PRelu", 16, others=(weights(1),)),
    Case("Clip", 11, others=(F(-0.5), F(0.8))),
    Case("Clip", 13, others=(None, F(0.8))),
    Case("Clip", 13, others=(F(0), None)),
    Case("Clip", 13),
    Case("Clip", 10, attributes={"min": -0.5, "max": 0.8}),
    *(Case(op, 13, others=(ROW,), whole=True) for op in ("Equal", "Greater", "Less")),
    *(Case(op, 16, others=(ROW,), whole=True) for op in ("GreaterOrEqual", "LessOrEqual")),
    Case("Cast", 13, attributes={"to": TensorProto.FLOAT}),
    Case("Cast", 13, attributes={"to": TensorProto.INT32}, whole=True),
    Case("Cast", 11, attributes={"to": TensorProto.DOUBLE}),
    Case("CastLike", 15, others=(np.float64(1),)),
    *(Case(op, 11, attributes={"axis": a}) for op in ("Softmax", "LogSoftmax") for a in (1, 2, 3)),
    *(Case(op, 13, attributes={"axis": a}) for op in ("Softmax", "LogSoftmax") for a in (1, -1)),
    Case("Softmax", 11),
    Case("Softmax", 13),
    *(Case(op, 11, attributes={"axes": [1, -1]}, positive=True) for op in REDUCTIONS),
    *(Case(op, 13, attributes={"keepdims": 0}, positive=True) for op in REDUCTIONS),
    *(Case(op, 18, others=(np.array([2, 3]),), positive=True) for op in REDUCTIONS),
    *(
        Case(op, 18, others=(np.array([1]),), attributes={"keepdims": 0}, positive=True)
        for op in REDUCTIONS
    ),
    Case("ReduceSum", 13, others=(np.array([1]),)),
    Case("ReduceSum", 13, attributes={"noop_with_empty_axes": 1}),
    Case("ArgMax", 13, attributes={"axis": 1, "keepdims": 0}, whole=True),
    Case("ArgMin", 13, attributes={"axis": -1}, whole=True),
    Case("CumSum", 14, others=(np.int64(1),)),
    Case("Einsum", 12, others=(weights(4, 2),), attributes={"equation": "nchw,wk->nchk"}),
    Case("MatMul", 13, others=(weights(4, 6),)),
    Case("MatMul", 13, others=(weights(3, 4, 6),)),
    Case("MatMul", 13, others=(weights(4),)),
    Case("Gemm", 11, (2, 5), (weights(5, 3), weights(3))),
    Case("Gemm", 13, (2, 5), (weights(3, 5),), {"transB": 1, "alpha": 0.5}),
    Case("Gemm", 13, (5, 2), (weights(5, 3), weights(2, 1)), {"transA": 1, "beta": 0.3}),
    Case("Dropout", 11, attributes={"ratio": 0.5}),
    Case("Dropout", 13, others=(F(0.5), np.array(False))),
    Case("Dropout", 13, outputs=2, asked=1, whole=True),
]


@pytest.mark.parametrize("case", params(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)


def test_every_operator_is_here_or_in_the_graphs_of_logic() -> None:
    logic = {"And", "Or", "Xor", "Not", "Where", "Swish"}
    assert {case.op for case in CASES} | logic == set(ARITHMETIC)

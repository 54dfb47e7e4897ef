"""Mirrors auditkit/models/onnx/operators/layers.py."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.models.onnx.operators.layers import LAYERS
from tests.models.onnx.files import weights
from tests.models.onnx.operators.cases import Case, check, params

K = {"kernel_shape": [3, 2]}
POSITIVE = np.abs(weights(3, seed=5)) + np.float32(0.5)
SCALE, SHIFT = weights(3, seed=6), weights(3, seed=7)
CASES = [
    Case("Conv", 11, others=(weights(4, 3, 3, 3), weights(4)), attributes={"pads": [1, 1, 1, 1]}),
    Case("Conv", 13, others=(weights(4, 3, 3, 2),), attributes={"strides": [2, 1]}),
    Case("Conv", 17, others=(weights(4, 3, 2, 2),), attributes={"pads": [0, 1, 2, 3]}),
    Case("Conv", 17, others=(weights(3, 1, 2, 2),), attributes={"group": 3, "dilations": [2, 1]}),
    *(
        Case("Conv", 17, others=(weights(4, 3, 2, 3),), attributes={"auto_pad": a, "strides": s})
        for a in ("SAME_UPPER", "SAME_LOWER", "VALID")
        for s in ([1, 1], [2, 3])
    ),
    Case("Conv", 17, (2, 3, 7), (weights(4, 3, 3), weights(4))),
    Case("Conv", 17, (2, 2, 4, 3, 5), (weights(4, 2, 2, 2, 2),)),
    Case("ConvTranspose", 11, others=(weights(3, 4, 3, 2), weights(4))),
    Case(
        "ConvTranspose",
        11,
        others=(weights(3, 2, 3, 3),),
        attributes={"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 0]},
    ),
    Case(
        "ConvTranspose",
        17,
        others=(weights(3, 2, 3, 3),),
        attributes={"strides": [2, 1], "pads": [0, 1, 1, 0], "group": 3},
    ),
    *(Case(op, 12, attributes=K) for op in ("MaxPool", "AveragePool")),
    *(Case(op, 12, attributes=K | {"strides": [2, 2]}) for op in ("MaxPool", "AveragePool")),
    *(Case(op, 17, attributes=K | {"pads": [1, 0, 1, 1]}) for op in ("MaxPool", "AveragePool")),
    *(
        Case(op, 17, attributes=K | {"auto_pad": a, "strides": [2, 2]})
        for op in ("MaxPool", "AveragePool")
        for a in ("SAME_UPPER", "SAME_LOWER")
    ),
    Case("MaxPool", 12, attributes=K | {"dilations": [1, 2]}),
    Case("MaxPool", 12, attributes=K | {"ceil_mode": 1, "strides": [2, 2]}),
    Case("MaxPool", 12, attributes={"kernel_shape": [2, 2], "pads": [1, 1, 1, 1]}),
    Case("MaxPool", 12, (2, 3, 7), attributes={"kernel_shape": [2]}),
    Case("AveragePool", 11, attributes=K | {"pads": [1, 1, 1, 1], "count_include_pad": 1}),
    Case("AveragePool", 11, attributes=K | {"pads": [1, 0, 0, 1], "count_include_pad": 1}),
    Case("AveragePool", 11, attributes={"kernel_shape": [2, 2], "pads": [1, 1, 1, 1]}),
    Case("AveragePool", 19, attributes=K | {"ceil_mode": 1, "strides": [2, 2]}),
    Case("GlobalAveragePool", 11),
    Case("GlobalMaxPool", 11),
    Case("BatchNormalization", 11, others=(SCALE, SHIFT, SHIFT, POSITIVE)),
    Case("BatchNormalization", 15, others=(SCALE, SHIFT, SHIFT, POSITIVE)),
    Case("BatchNormalization", 15, (4, 3), (SCALE, SHIFT, SHIFT, POSITIVE), {"epsilon": 0.1}),
    Case("LayerNormalization", 17, others=(weights(4), weights(4))),
    Case("LayerNormalization", 17, others=(weights(5, 4),), attributes={"axis": 2}),
    Case("LayerNormalization", 17, others=(weights(4),), attributes={"epsilon": 0.3}),
    Case("RMSNormalization", 23, others=(weights(4),)),
    Case("InstanceNormalization", 11, others=(SCALE, SHIFT)),
    Case("InstanceNormalization", 17, (2, 3, 6), (SCALE, SHIFT), {"epsilon": 0.2}),
    Case("GroupNormalization", 21, (2, 6, 3, 4), (weights(6), weights(6)), {"num_groups": 3}),
    Case("GroupNormalization", 18, (2, 6, 3, 4), (weights(3), weights(3)), {"num_groups": 3}),
    Case("LpNormalization", 13, attributes={"axis": 1}),
    Case("LpNormalization", 13, attributes={"p": 1}),
    Case("LRN", 13, (2, 7, 3, 3), attributes={"size": 3, "alpha": 0.3, "bias": 2.0}),
]


@pytest.mark.parametrize("case", params(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)


def test_every_operator_is_here() -> None:
    assert {case.op for case in CASES} == set(LAYERS)

"""Mirrors auditkit/models/onnx/operators/resize.py."""

from __future__ import annotations

import numpy as np
import pytest

from tests.models.onnx.operators.cases import Case, check, params


def f(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


WAYS = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
EMPTY = f()
CASES = [
    *(
        Case(
            "Resize",
            opset,
            others=(EMPTY, scales),
            attributes={"mode": mode, "coordinate_transformation_mode": way},
        )
        for opset in (11, 13, 18)
        for scales in (f(1, 1, 2, 3), f(1, 1, 0.6, 1.5))
        for mode in ("linear", "cubic")
        for way in WAYS
    ),
    *(
        Case(
            "Resize",
            13,
            others=(None, f(1, 1, *scales)),
            attributes={
                "mode": "nearest",
                "coordinate_transformation_mode": way,
                "nearest_mode": rule,
            },
        )
        for scales in ((2, 3), (0.6, 1.7))
        for way in WAYS
        for rule in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    ),
    Case("Resize", 13, others=(None, None, np.array([2, 3, 7, 9])), attributes={"mode": "linear"}),
    Case("Resize", 18, others=(None, None, np.array([7, 9])), attributes={"axes": [2, 3]}),
    Case("Resize", 10, others=(f(1, 1, 2, 2),), attributes={"mode": "nearest"}),
    Case("Resize", 10, others=(f(1, 1, 2, 1.5),), attributes={"mode": "linear"}),
    Case("Upsample", 9, others=(f(1, 1, 2, 2),)),
]


@pytest.mark.parametrize("case", params(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)

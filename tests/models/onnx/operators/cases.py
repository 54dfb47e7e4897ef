"""One operation as a model of its own, computed by onnxruntime and by torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from auditkit.models.onnx.graph import OnnxGraph
from auditkit.models.onnx.session import Session
from tests.models.onnx.files import graph_of, model_of, port, weights


@dataclass(frozen=True)
class Case:
    """An operator, its opset, what it reads beside its first input, and its attributes."""

    op: str
    opset: int
    shape: tuple[int, ...] = (2, 3, 5, 4)
    others: tuple[Any, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)
    outputs: int = 1
    asked: int = 0  # which output is compared
    positive: bool = False
    whole: bool = False  # the result has no gradient

    @property
    def name(self) -> str:
        said = "-".join(f"{k}={v}" for k, v in self.attributes.items() if not hasattr(v, "dims"))
        return f"{self.op}-{self.opset}-{said}".replace(" ", "")

    def model(self) -> onnx.ModelProto:
        """X -> op -> y_0, y_1, ...; None among the others is an input that is left out."""
        names = ["x", *("" if v is None else f"k{i}" for i, v in enumerate(self.others))]
        constants = {f"k{i}": np.asarray(v) for i, v in enumerate(self.others) if v is not None}
        outputs = [f"y{i}" for i in range(self.outputs)]
        node = helper.make_node(self.op, names, outputs, **self.attributes)
        asked = helper.make_empty_tensor_value_info(f"y{self.asked}")
        return model_of(
            graph_of([node], [port("x", list(self.shape))], [asked], constants), self.opset
        )

    def inputs(self) -> np.ndarray:
        x = weights(*self.shape, seed=7) * 4
        return np.abs(x) + np.float32(0.1) if self.positive else x


def check(case: Case) -> None:
    """The torch version gives what onnxruntime gives, of the same kind, and has a gradient."""
    model, x = case.model(), case.inputs()
    (wanted,) = Session(model.SerializeToString(), batch=None).answers(x).values()
    assert isinstance(wanted, np.ndarray)
    graph = OnnxGraph(model, input_name="x", output_name=f"y{case.asked}")
    leaf = torch.from_numpy(x).requires_grad_(True)
    found = graph(leaf)
    assert str(found.dtype).removeprefix("torch.") == str(wanted.dtype)
    assert tuple(found.shape) == wanted.shape
    np.testing.assert_allclose(found.detach().numpy(), wanted, rtol=2e-5, atol=2e-5)
    if not case.whole:
        assert found.requires_grad
        (gradient,) = torch.autograd.grad(found.sum(), leaf)
        assert gradient.isfinite().all()


def params(cases: list[Case]) -> list[Any]:
    return [pytest.param(case, id=f"{i}-{case.name}"[:60]) for i, case in enumerate(cases)]

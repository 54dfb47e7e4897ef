"""Mirrors auditkit/models/onnx/graph.py."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper

from auditkit.models.classifier import randomised
from auditkit.models.onnx.graph import OnnxGraph, compare, tensor_of
from auditkit.models.onnx.operators.node import UnsupportedError
from tests.models.onnx.files import attention, cnn, graph_of, model_of, port, weights

IMAGES = torch.rand(3, 1, 6, 6, generator=torch.Generator().manual_seed(0))


def normalised() -> OnnxGraph:
    """BatchNormalization, times a number, plus a row of whole numbers."""
    nodes = [
        helper.make_node("BatchNormalization", ["x", "scale", "shift", "mean", "var"], ["b"]),
        helper.make_node("Mul", ["b", "two"], ["m"]),
        helper.make_node("Cast", ["whole"], ["w"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["m", "w"], ["y"]),
    ]
    constants = {
        "scale": weights(3),
        "shift": weights(3, seed=1),
        "mean": weights(3, seed=2),
        "var": np.abs(weights(3, seed=3)),
        "two": np.float32(2),
        "whole": np.array([1, 2, 3]),
        "unused": weights(50),
    }
    ports = [port("x", ["n", 3])], [port("y", ["n", 3])]
    return OnnxGraph(model_of(graph_of(nodes, *ports, constants)), input_name="x", output_name="y")


def test_what_was_trained_is_a_parameter_and_what_was_measured_is_not() -> None:
    graph = normalised()
    assert [p.numel() for p in graph.parameters()] == [3, 3]  # scale and shift
    assert sorted(b.numel() for b in graph.buffers()) == [1, 3, 3, 3]  # two, mean, var, the cast
    assert not any(p.requires_grad for p in graph.parameters())


def test_weights_can_be_drawn_anew_and_come_back() -> None:
    graph = normalised()
    rows = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    before = graph(rows)
    with randomised(graph, 0):
        assert graph(rows).isfinite().all()
        assert not torch.allclose(graph(rows), before)
    assert torch.equal(graph(rows), before)


def test_a_copy_computes_the_same() -> None:
    graph = OnnxGraph(cnn(), input_name="x", output_name="logits")
    assert torch.equal(copy.deepcopy(graph)(IMAGES), graph(IMAGES))


def test_only_what_the_output_needs_is_computed() -> None:
    model = cnn(ending=[helper.make_node("NonZero", ["logits"], ["never"])])
    assert OnnxGraph(model, input_name="x", output_name="logits")(IMAGES).shape == (3, 3)
    assert OnnxGraph(model, input_name="x", output_name="c")(IMAGES).shape == (3, 2, 6, 6)


def test_all_unknown_operators_are_named() -> None:
    ending = [
        helper.make_node("NonZero", ["logits"], ["a"]),
        helper.make_node("FusedThing", ["a"], ["y"], domain="com.microsoft"),
    ]
    with pytest.raises(UnsupportedError, match=r"^NonZero, com\.microsoft\.FusedThing$"):
        OnnxGraph(cnn(ending=ending, output="y"), input_name="x", output_name="y")


def test_inputs_side_by_side_are_those_one_by_one() -> None:
    graph = OnnxGraph(attention(batch=1), input_name="x", output_name="logits")
    images = torch.rand(5, 1, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    each = torch.stack([graph(one) for one in images])
    torch.testing.assert_close(torch.vmap(graph)(images), each)


def test_sixteen_bit_numbers_of_both_kinds_are_read() -> None:
    for kind, code in (
        (torch.float16, TensorProto.FLOAT16),
        (torch.bfloat16, TensorProto.BFLOAT16),
    ):
        found = tensor_of(helper.make_tensor("t", code, [2], [0.5, -3.0]))
        assert found.dtype == kind
        assert found.tolist() == [0.5, -3.0]


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float32, 1e-3), (torch.float16, 0.2)])
def test_rounding_is_a_share_of_the_largest_score(dtype: torch.dtype, allowed: float) -> None:
    wanted = torch.tensor([[10.0, -3.0]])
    assert compare(wanted + 0.9 * allowed, wanted, dtype).equal
    assert not compare(wanted + 1.1 * allowed, wanted, dtype).equal
    assert not compare(wanted * torch.nan, wanted, dtype).equal

"""Mirrors auditkit/models/onnx/rewrite.py; what it is for is tested in test_load.py."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from auditkit.models.onnx.rewrite import with_free_batch, with_output, without_last_squashing
from auditkit.models.onnx.session import Session
from tests.models.onnx.files import attention, cnn


@pytest.mark.parametrize(
    ("model", "side"), [(cnn(batch=1), 6), (attention(batch=1), 4)], ids=["cnn", "attention"]
)
def test_a_freed_model_answers_a_batch_as_it_answers_each(model: object, side: int) -> None:
    images = np.random.default_rng(0).random((5, 1, side, side), dtype=np.float32)
    free = with_free_batch(model)  # type: ignore[arg-type]
    found = Session(free.SerializeToString(), batch=None).scores(images)
    wanted = Session(model.SerializeToString(), batch=1).scores(images)  # type: ignore[attr-defined]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_the_model_itself_is_left_as_it_was() -> None:
    model = cnn(batch=1, ending=[helper.make_node("Softmax", ["logits"], ["p"])], output="p")
    before = model.SerializeToString()
    with_free_batch(model)
    with_output(model, "p")
    changed, ending = without_last_squashing(model)
    assert ending == "softmax"
    assert changed.graph.node[-1].op_type == "LogSoftmax"
    assert model.SerializeToString() == before


def test_a_softmax_within_is_not_a_last_one() -> None:
    ends = [helper.make_node("Softmax", ["logits"], ["p"]), helper.make_node("Neg", ["p"], ["y"])]
    assert without_last_squashing(cnn(ending=ends, output="y"))[1] == "scores"


def test_what_the_one_output_does_not_need_is_left_out() -> None:
    ends = [helper.make_node("ArgMax", ["logits"], ["label"])]
    small = with_output(cnn(ending=ends), "logits")
    assert [node.op_type for node in small.graph.node] == ["Conv", "Relu", "Reshape", "Gemm"]

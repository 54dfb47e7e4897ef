"""Mirrors auditkit/models/onnx/words.py."""

from __future__ import annotations

from pathlib import Path

from auditkit.models.onnx.facts import read_onnx
from auditkit.models.onnx.words import described
from tests.models.onnx.files import cnn, write
from tests.models.onnx.hostile import endless, outside


def test_it_says_what_a_person_would_ask(tmp_path: Path) -> None:
    assert described(read_onnx(write(cnn(), tmp_path / "m"))) == {
        "producer": "by hand",
        "format": "ONNX, IR version 8, operators of ai.onnx 17",
        "inputs": "x float32 (n, 1, 6, 6)",
        "outputs": "logits float32 (n, 3)",
        "operators": "Conv, Gemm, Relu, Reshape",
    }


def test_it_says_what_lies_outside_and_what_is_not_followed(tmp_path: Path) -> None:
    said = described(read_onnx(write(outside("w.bin"), tmp_path / "m")))
    assert said["numbers outside"] == "1 tensors in 'w.bin'"
    said = described(read_onnx(write(endless(), tmp_path / "n")))
    assert said["not followed"].startswith("Loop: how often it repeats")
    assert said["operators"] == "Abs, Add, Identity, Loop, ReduceMax"

"""Mirrors auditkit/render/tensorboard.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from auditkit.render import PRINTED
from auditkit.render.tensorboard import render_tensorboard
from auditkit.render.tracked import numbers
from tests.render.hostile import hostile
from tests.render.sample import image_result

WHY = "needs the extra tensorboard"


def read(folder: Path, content: bytes) -> tuple[dict[str, tuple[int, float]], dict[str, str]]:
    """What TensorBoard itself reads: step and value by tag, and texts."""
    loading = pytest.importorskip(
        "tensorboard.backend.event_processing.event_file_loader", reason=WHY
    )
    tensors = pytest.importorskip("tensorboard.util.tensor_util", reason=WHY)
    file = folder / PRINTED["tensorboard"].file
    file.write_bytes(content)
    scalars: dict[str, tuple[int, float]] = {}
    texts: dict[str, str] = {}
    for event in loading.EventFileLoader(str(file)).Load():
        for one in event.summary.value:
            value = tensors.make_ndarray(one.tensor)
            if one.metadata.plugin_data.plugin_name == "scalars":
                assert one.tag not in scalars
                scalars[one.tag] = (event.step, float(value))
            else:
                texts[one.tag] = value.item().decode()
    return scalars, texts


@pytest.mark.parametrize("step", [0, 7])
def test_tensorboard_reads_every_number_back(tmp_path: Path, step: int) -> None:
    pytest.importorskip("tensorboard", reason=WHY)
    result = image_result()
    scalars, texts = read(tmp_path, render_tensorboard(result, step=step))
    assert scalars == {name: (step, float(np.float32(one))) for name, one in numbers(result)}
    assert texts["audit/verdict"] == result.verdict.sentence
    assert "| seed | 0 |" in texts["audit/settings"]
    assert "## ❌ Fail" in texts["audit/summary"]


def test_the_same_result_gives_the_same_bytes() -> None:
    pytest.importorskip("tensorboard", reason=WHY)
    result = hostile(image_result())
    assert render_tensorboard(result) == render_tensorboard(result)


def test_neither_torch_nor_tensorflow_is_needed() -> None:
    pytest.importorskip("tensorboard", reason=WHY)
    code = (
        "import sys; from auditkit.render.tensorboard import render_tensorboard\n"
        "from auditkit.result import read_result\n"
        f"render_tensorboard(read_result({str(Path(__file__).parents[1] / 'golden/image')!r}))\n"
        "assert not {'torch', 'tensorflow', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True)

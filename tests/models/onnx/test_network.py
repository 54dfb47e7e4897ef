"""Mirrors auditkit/models/onnx/network.py; how it is chosen is tested in test_load.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from auditkit.models.classifier import ImageClassifier
from auditkit.models.load import ModelSpec, load_model
from auditkit.result import Execution
from tests.models.onnx.files import attention, cnn, write


@pytest.mark.parametrize("model", [cnn(), cnn(batch=4), attention(), attention(batch=1)], ids=str)
def test_it_works_in_every_setting_that_an_audit_may_choose(tmp_path: Path, model: object) -> None:
    loaded = load_model(ModelSpec(source=str(write(model, tmp_path / "m"))))  # type: ignore[arg-type]
    assert isinstance(loaded, ImageClassifier)
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(5, *loaded.input_shape, generator=rng)
    plain = loaded.logits(images)
    for layout in ("contiguous", "channels_last"):
        for dtype in ("float32", "bfloat16"):
            loaded.configure(Execution(layout=layout, search_dtype=dtype))
            torch.testing.assert_close(loaded.logits(images), plain)
            leaf = images.clone().requires_grad_(True)
            scores = loaded.search_logits(leaf)
            torch.testing.assert_close(scores, plain, rtol=0.1, atol=0.1)
            (gradient,) = torch.autograd.grad(scores.sum(), leaf)
            assert gradient.isfinite().all()
            assert (gradient != 0).any()


@pytest.mark.parametrize("batch", ["n", 1, 4])
def test_no_inputs_give_no_scores(tmp_path: Path, batch: int | str) -> None:
    loaded = load_model(ModelSpec(source=str(write(cnn(batch=batch), tmp_path / "m"))))
    assert loaded.module(torch.zeros(0, 1, 6, 6)).shape == (0, 3)
    assert loaded.predict(torch.zeros(0, 1, 6, 6)).shape == (0, 3)

"""Mirrors auditkit/selftest/overconfident.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from auditkit.data import glyphs
from auditkit.selftest import teach
from auditkit.selftest.overconfident import fitted_temperature, scaled


@pytest.fixture
def model() -> teach.ImageClassifier:
    torch.manual_seed(0)
    network = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(48, 6))
    return teach.as_glyph_reader(network)


def test_scaling_changes_confidence_and_no_answer(model: teach.ImageClassifier) -> None:
    images = torch.rand(50, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    plain, louder = model.logits(images), scaled(model, 6.0).logits(images)
    assert torch.allclose(louder, 6 * plain, rtol=1e-4, atol=1e-4)
    assert torch.equal(plain, model.logits(images))  # the original is left alone


def test_the_temperature_is_the_one_that_was_put_in(
    model: teach.ImageClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels drawn from a softmax at temperature t are best explained at t."""
    data = glyphs.load("validation").sample(300, seed=0)
    logits = 40 * model.predict(teach.images_of(data))
    rng = np.random.default_rng(0)
    shares = (logits / 2.5).softmax(dim=1).numpy().astype(np.float64)
    labels = torch.tensor([rng.choice(6, p=row / row.sum()) for row in shares])
    monkeypatch.setattr(teach, "labels_of", lambda _data: labels)
    monkeypatch.setattr(glyphs, "load", lambda _split: data)
    found = fitted_temperature(scaled(model, 40.0))
    assert found == pytest.approx(2.5, rel=0.25)

"""Mirrors auditkit/models/training/report.py."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from auditkit.data import digits, phrases
from auditkit.models.card import Adversarial
from auditkit.models.classifier import ImageClassifier
from auditkit.models.load import ModelSpec, load_model
from auditkit.models.training.report import accuracy, robust


def test_accuracy_counts_correct_answers() -> None:
    model = load_model(ModelSpec(source="phrases-transformer"))
    data = phrases.load("validation")  # more than one batch
    batch = data.read(slice(None))
    assert isinstance(batch, list)
    predicted = model.predict(batch).argmax(1).numpy()
    found = accuracy(model, data)
    assert found.correct == int((predicted == data.labels).sum())
    assert found.n == len(data)
    assert f"of n = {found.n}" in str(found)


class BrighterLeft(nn.Module):
    """Says 1 where the left half is brighter: a linear model, whose worst case is known."""

    def forward(self, x: Tensor) -> Tensor:
        difference = x[..., :4].sum(dim=(1, 2, 3)) - x[..., 4:].sum(dim=(1, 2, 3))
        return torch.stack([torch.zeros_like(difference), difference], dim=1)


def test_what_holds_against_the_attack_of_a_linear_model_is_known() -> None:
    everything = digits.load("test")
    data = everything.take(np.flatnonzero(everything.labels <= 1))
    images = data.read(slice(None))
    assert not isinstance(images, list)
    left = images[..., :4].sum(axis=(1, 2, 3)) - images[..., 4:].sum(axis=(1, 2, 3))
    right = (left > 0) == (data.labels == 1)
    names = [str(one) for one in range(2)]
    model = ImageClassifier(BrighterLeft(), classes=names, input_shape=(1, 8, 8))
    small, none = (robust(model, data, Adversarial(epsilon=e, steps=1)) for e in (0.02, 0.0))
    # Every pixel moves by epsilon against the answer, as far as [0, 1] lets it.
    signs = np.where(np.arange(8) < 4, -1, 1) * np.where(left > 0, 1, -1)[:, None, None, None]
    worst = np.clip(images + 0.02 * signs, 0, 1)
    moved = worst[..., :4].sum(axis=(1, 2, 3)) - worst[..., 4:].sum(axis=(1, 2, 3))
    holds = right & ((moved > 0) == (left > 0))
    assert small.n == none.n == len(data)
    assert none.correct == int(right.sum())
    assert small.correct == int(holds.sum())
    assert 0 < small.correct < none.correct
    assert f"of n = {len(data)} hold 20 steps" in str(small)

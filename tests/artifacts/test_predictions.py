"""Mirrors auditkit/artifacts/predictions.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.errors import ModelError
from auditkit.models.classifier import ImageClassifier
from auditkit.result import Execution
from tests.subjects import Subject, image_data, linear_subject


def test_predictions_of_a_linear_model_follow_from_its_margins() -> None:
    subject = linear_subject(1)
    clean = subject.artifacts[Predictions]
    clear = subject.margins.abs() > 1e-5  # the bias is a median: one margin is 0 but for rounding
    assert torch.equal(clean.correct[clear], subject.margins[clear] > 0)
    assert torch.equal(clean.predicted == clean.labels, clean.correct)
    sure = torch.sigmoid(subject.margins.abs())
    torch.testing.assert_close(clean.confidence, sure)
    assert clean.logits.shape == (40, 2)


def test_batches_do_not_change_predictions() -> None:
    subject = linear_subject(2)
    whole = subject.artifacts[Predictions]
    cut = Artifacts(subject.model, subject.data, np.arange(40), execution=Execution(batch_size=7))[
        Predictions
    ]
    torch.testing.assert_close(cut.logits, whole.logits)
    assert torch.equal(cut.predicted, whole.predicted)


class BrokenAt(nn.Module):
    """Gives one value where an image is bright."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, images: Tensor) -> Tensor:
        bright = images.mean(dim=(1, 2, 3)) > 0.9
        logits = torch.stack([images[:, 0, 0, 0], images[:, 0, 1, 1]], dim=1)
        return logits.masked_fill(bright[:, None], self.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_logits_that_are_not_numbers_are_an_error_that_names_the_input(value: float) -> None:
    images = torch.full((5, 1, 2, 2), 0.5)
    images[3] = 1.0
    model = ImageClassifier(BrokenAt(value), classes=("0", "1"), input_shape=(1, 2, 2))
    subject = Subject(model, image_data(images, [0, 1, 0, 1, 0]))
    with pytest.raises(ModelError, match=r"1 input, .*'00003'") as error:
        _ = subject.artifacts[Predictions]
    assert "--mean" in error.value.hint

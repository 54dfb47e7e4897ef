"""Mirrors auditkit/checks/changed.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.artifacts.base import Artifacts
from auditkit.checks.changed import corrupted, logits_of
from auditkit.errors import ModelError
from auditkit.methods.corruptions.catalogue import CORRUPTIONS
from auditkit.models.classifier import ImageClassifier
from tests.subjects import linear_subject


class _Nothing(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return torch.full((len(images), 2), torch.nan)


def wide(module: nn.Module) -> Artifacts:
    """Six images, read by a model whose pixels lie between -1 and 3."""
    model = ImageClassifier(module, classes=("0", "1"), input_shape=(1, 4, 4), bounds=(-1, 3))
    return Artifacts(model, linear_subject(0, n=6).data, np.arange(6))


def test_an_image_is_corrupted_alike_alone_and_among_others() -> None:
    artifacts, some = wide(_Nothing()), slice(2, 4)
    every = corrupted(artifacts, artifacts.images, "gaussian-noise", 3)
    alone = corrupted(artifacts, artifacts.images[some], "gaussian-noise", 3, rows=some)
    assert torch.equal(alone, every[some])
    keys = artifacts.keys("corruptions/gaussian-noise")
    unit = CORRUPTIONS["gaussian-noise"]((artifacts.images + 1) / 4, 3, keys)
    assert torch.allclose(every, 4 * unit - 1)


def test_answers_that_are_no_numbers_are_refused() -> None:
    artifacts = wide(_Nothing())
    with pytest.raises(ModelError, match="infinite logits under fog") as error:
        logits_of(artifacts, artifacts.images, "fog", hint="leave it out")
    assert error.value.hint == "Find the operation that overflows, or leave it out."

"""Mirrors auditkit/artifacts/features.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.features import Features, read_alike, width_of
from auditkit.errors import ModelError
from auditkit.models.classifier import ImageClassifier
from tests.subjects import Subject, image_data, linear_subject


def test_features_of_a_linear_model_are_its_inputs() -> None:
    artifacts = linear_subject(0).artifacts
    found = artifacts[Features]
    np.testing.assert_allclose(found.values, artifacts.images.flatten(1).numpy())
    assert found.values.dtype == np.float64
    assert found is artifacts[Features]


class Fickle(nn.Module):
    """Answers bright batches by a linear layer of six numbers, dark ones by arithmetic."""

    def __init__(self, *, bright_first: bool) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 3)
        self.bright_first = bright_first

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.first(images.flatten(1))
        if (images.mean() > 0.5) == self.bright_first:
            return self.last(hidden)
        return (hidden[:, :, None] * self.last.weight.T).sum(dim=1)


def fickle(*, bright_first: bool) -> Subject:
    images = torch.cat([torch.full((20, 1, 2, 2), 0.9), torch.full((20, 1, 2, 2), 0.1)])
    names = ("a", "b", "c")
    module = Fickle(bright_first=bright_first)
    model = ImageClassifier(module, classes=names, input_shape=(1, 2, 2))
    return Subject(model, image_data(images, [0] * 40, classes=names))


def test_all_shards_are_read_alike_or_not_at_all() -> None:
    """The first inputs decide: a shard that cannot be read as they are is an error in words."""
    seen = fickle(bright_first=True).artifacts
    assert width_of(seen) == 6
    assert seen.at(np.arange(20))[Features].values.shape == (20, 6)
    with pytest.raises(ModelError, match="cannot be compared"):
        _ = seen.at(np.arange(20, 40))[Features]
    unseen = fickle(bright_first=False).artifacts
    assert width_of(unseen) == 0
    for rows in (np.arange(20), np.arange(20, 40)):  # the second half could be seen
        found = unseen.at(rows)[Features]
        assert found.values.shape == (20, 3)
        assert found.of_logits


def test_other_inputs_are_read_like_these() -> None:
    here, other = fickle(bright_first=False), fickle(bright_first=False).data
    piece = Artifacts(here.model, other, np.arange(20, 40), shared=read_alike(here.artifacts))
    assert piece[Features].of_logits
    dark = other.take(np.arange(20, 40))
    assert not Artifacts(here.model, dark, np.arange(20))[Features].of_logits

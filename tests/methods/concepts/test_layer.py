"""Mirrors auditkit/methods/concepts/layer.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from auditkit.methods.concepts.layer import Layer, image_layer, vector_layer
from auditkit.methods.saliency.unsuited import Unsuited
from tests.methods.saliency.nets import (
    assert_untouched,
    bag_of,
    linear_images,
    noise,
    state_of,
    word_model,
)


class Pooled(nn.Module):
    """The mean and the maximum over places, put together, then a layer without activation."""

    def __init__(self, *, functional: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head = nn.Conv2d(2, 3, 3, padding=1), nn.Linear(6, 4)
        self.functional = functional
        self.act = nn.ReLU(inplace=True)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.conv(images)
        maps = nn.functional.relu(maps) if self.functional else self.act(maps)
        return self.head(torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1))


def test_a_linear_network_has_its_inputs_and_its_weights() -> None:
    model, weight = linear_images(0, (2, 3, 3), k=3)
    images, target = noise(5, 2, 3, 3), torch.tensor([0, 1, 2, 0, 1])
    layer = image_layer(model.logits, images, target)
    assert isinstance(layer, Layer)
    assert torch.equal(layer.values, images.flatten(1))
    centred = (weight - weight.mean(dim=0)).flatten(1)[target]
    assert torch.allclose(layer.slopes, centred, atol=1e-6)
    assert "18 numbers" in layer.words


@pytest.mark.parametrize("functional", [True, False])
def test_a_convolution_is_averaged_over_places(functional: bool) -> None:
    net = Pooled(functional=functional).eval().requires_grad_(False)
    images, target = noise(4, 2, 5, 5), torch.tensor([0, 1, 2, 3])
    before = state_of(net)
    layer = image_layer(net, images, target)
    assert isinstance(layer, Layer)
    maps = torch.relu(net.conv(images))
    assert torch.allclose(layer.values, maps.mean(dim=(2, 3)), atol=1e-6)
    # All places of a channel move alike: the mean and the maximum move by as much.
    head = (net.head.weight - net.head.weight.mean(dim=0))[target]
    assert torch.allclose(layer.slopes, head[:, :3] + head[:, 3:], atol=1e-5)
    assert_untouched(net, before)


def test_texts_become_the_vector_that_is_taken_from_their_tokens() -> None:
    model = word_model(["a", "b", "c"])
    encoded = model.encode(["a b", "c", "c c a"])
    points = model.embed(encoded.ids)
    layer = vector_layer(
        lambda some: model.logits_from_embeddings(some, encoded.mask),
        points,
        torch.tensor([0, 1, 1]),
    )
    assert isinstance(layer, Layer)
    assert torch.allclose(layer.values, (points * encoded.mask[:, :, None]).sum(dim=1), atol=1e-6)
    head = bag_of(model).head
    centred = (head - head.mean(dim=1, keepdim=True)).T[[0, 1, 1]]
    assert torch.allclose(layer.slopes, centred, atol=1e-6)


def test_pooled_vectors_that_are_joined_count_as_one() -> None:
    net = Pooled(functional=True).eval().requires_grad_(False)
    layer = vector_layer(net, noise(3, 2, 5, 5), torch.zeros(3, dtype=torch.int64))
    assert isinstance(layer, Layer)
    assert layer.values.shape == (3, 6)
    assert "after cat" in layer.words


def test_a_network_without_a_vector_is_told_so() -> None:
    def logits(images: Tensor) -> Tensor:
        return torch.stack([images[:, 0, 0, 0], images[:, 0, 1, 1]], dim=1)

    found = image_layer(logits, noise(3, 1, 4, 4), torch.zeros(3, dtype=torch.int64))
    assert isinstance(found, Unsuited)

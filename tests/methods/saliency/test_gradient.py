"""Gradients equal weights on linear models and captum's on others."""

import torch
from captum.attr import Saliency

from auditkit.methods.saliency.gradient import gradient
from tests.methods.saliency.nets import (
    assert_untouched,
    linear_images,
    noise,
    small_cnn,
    state_of,
)


def test_linear_model_gives_its_weights():
    model, weight = linear_images(0, (2, 3, 4))
    target = torch.tensor([0, 2, 1, 2])
    assert torch.equal(gradient(model.logits, noise(4, 2, 3, 4), target), weight[target])


def test_it_equals_captum():
    model = small_cnn(channels=3)
    images, target = noise(5, 3, 8, 8), torch.tensor([0, 1, 2, 0, 1])
    leaf = images.clone().requires_grad_(True)
    peer = Saliency(lambda x: model.logits(x.clone())).attribute(leaf, target, abs=False)
    assert torch.allclose(gradient(model.logits, images, target), peer, atol=1e-7)


def test_models_are_left_as_they_were():
    images, target = noise(2, 1, 8, 8), torch.tensor([0, 1])
    kept = images.clone()
    model = small_cnn()
    before = state_of(model.module)
    gradient(model.logits, images, target)
    assert_untouched(model.module, before)
    assert torch.equal(images, kept)
    assert not images.requires_grad

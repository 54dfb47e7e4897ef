"""Gradients equal weights on linear models and captum's on others."""

import pytest
import torch
from captum.attr import Saliency

from auditkit.methods.saliency.gradient import embedding_gradient, gradient
from tests.methods.saliency.nets import (
    Attentive,
    assert_untouched,
    bag_of,
    linear_images,
    noise,
    small_cnn,
    state_of,
    word_model,
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


def test_embedding_gradient_of_a_linear_model_is_the_length_of_its_direction():
    model = word_model(["good", "bad"])
    head = bag_of(model).head
    lengths = embedding_gradient(model, ["good bad good", "bad"], torch.tensor([1, 0]))
    expected = float((head[:, 1] - head.mean(dim=1)).norm())
    assert lengths[0, 1:4].tolist() == pytest.approx([expected] * 3)
    assert lengths[1, 1].item() == pytest.approx(expected)  # two classes: the same either way
    assert (lengths[:, 0] == 0).all()  # [CLS]
    assert (lengths[1, 2:] == 0).all()  # padding


def test_models_are_left_as_they_were():
    images, target = noise(2, 1, 8, 8), torch.tensor([0, 1])
    kept = images.clone()
    image_model, text_model = small_cnn(), word_model(["a", "b"], kind=Attentive)
    before, text_before = state_of(image_model.module), state_of(text_model.module)
    gradient(image_model.logits, images, target)
    embedding_gradient(text_model, ["a b", "b"], target)
    assert_untouched(image_model.module, before)
    assert_untouched(text_model.module, text_before)
    assert torch.equal(images, kept)
    assert not images.requires_grad

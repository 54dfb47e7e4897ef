"""Mirrors auditkit/models/builtin/quantised_resnet.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from auditkit.models.builtin.quantised_resnet import LEVELS, QuantisedResNet
from auditkit.models.builtin.resnet import ResNet
from auditkit.models.classifier import randomised


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def parent(depth: int = 2) -> ResNet:
    """A network whose normalisation does something."""
    torch.manual_seed(0)
    module = ResNet(channels=1, width=8, depth=depth, n_classes=5)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 2.0)
            nn.init.uniform_(layer.bias, -0.5, 0.5)
            assert layer.running_mean is not None
            assert layer.running_var is not None
            nn.init.uniform_(layer.running_mean, -0.3, 0.3)
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
    return module.eval()


def test_it_answers_as_its_parent_up_to_rounding() -> None:
    module, images = parent(), noise(64, 1, 12, 12)
    made = QuantisedResNet.of(module, images)
    exact, rounded = module(images), made(images)
    assert (rounded - exact).abs().max() < 0.1 * exact.std()
    assert not torch.equal(rounded, exact)
    assert (rounded.argmax(1) == exact.argmax(1)).float().mean() > 0.9


def test_weights_are_eight_bit_numbers_that_use_their_range() -> None:
    made: Any = QuantisedResNet.of(parent(), noise(8, 1, 12, 12))
    weights = [value for name, value in made.state_dict().items() if name.endswith("weight")]
    assert len(weights) == 1 + 3 * 2 * 2 + 1
    for weight in weights:
        assert weight.dtype == torch.int8
        assert weight.flatten(1).abs().amax(dim=1).eq(LEVELS).all()  # per output channel
    size = sum(value.numel() * value.element_size() for value in made.state_dict().values())
    assert size < 0.35 * sum(4 * value.numel() for value in parent().parameters())


def test_activations_are_whole_steps_and_are_cut_at_the_largest_seen() -> None:
    made: Any = QuantisedResNet.of(parent(), noise(32, 1, 12, 12).clamp(-1, 1))
    seen: list[Tensor] = []
    original = nn.functional.conv2d
    layer = made.stem

    def watched(x: Tensor, *arguments: Any, **options: Any) -> Tensor:
        seen.append(x)
        return original(x, *arguments, **options)

    nn.functional.conv2d = watched
    try:
        layer(3 * noise(4, 1, 12, 12, seed=1))
    finally:
        nn.functional.conv2d = original
    steps = seen[0] / layer.input_step
    assert torch.allclose(steps, steps.round(), atol=1e-4)
    assert seen[0].abs().max() == pytest.approx(1.0, abs=1e-5)


def test_gradients_pass_straight_through_the_rounding() -> None:
    """They are close to those of the parent; without the straight path they would be zero."""
    module, images = parent(), noise(16, 1, 12, 12)
    made = QuantisedResNet.of(module, images)
    gradients: list[Tensor] = []
    for network in (module, made):
        leaf = images.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(network(leaf)[:, 0].sum(), leaf)
        gradients.append(gradient.flatten(1))
    similarity = nn.functional.cosine_similarity(gradients[0], gradients[1])
    assert similarity.median() > 0.98  # where a ReLU tips over, single images differ more
    assert similarity.min() > 0.7


def test_the_shapes_of_a_state_dict_tell_the_config() -> None:
    made = QuantisedResNet.of(parent(depth=3), noise(4, 1, 12, 12))
    shapes = {name: tuple(value.shape) for name, value in made.state_dict().items()}
    assert QuantisedResNet.config_of(shapes) == made.config == parent(depth=3).config


def test_weights_that_are_whole_numbers_can_be_drawn_anew_and_come_back() -> None:
    made = QuantisedResNet.of(parent(), noise(4, 1, 12, 12))
    images = noise(4, 1, 12, 12)
    before = made(images)
    with randomised(made, 0):
        assert not torch.allclose(made(images), before, atol=1e-2)
        assert all(torch.isfinite(value.float()).all() for value in made.parameters())
    assert torch.equal(made(images), before)

"""Mirrors auditkit/models/builtin/mlp.py."""

from __future__ import annotations

import torch
from torch import nn

from auditkit.models.builtin.mlp import CARDS, Mlp
from tests.models.builtin.networks import (
    assert_card_fits,
    assert_config_is_told_by_shapes,
    network,
    noise,
)


def test_the_card_fits_its_network() -> None:
    assert_card_fits(CARDS[0])


def test_an_image_is_read_as_a_flat_vector() -> None:
    module = network(Mlp, inputs=12, width=8)
    images = noise(3, 3, 2, 2)
    assert torch.equal(module(images), module(images.flatten(1)))


def test_it_equals_the_products_written_out() -> None:
    module = network(Mlp, inputs=5, width=7, depth=2, n_classes=3)
    x = noise(4, 5)
    first, second = module.hidden[0], module.hidden[2]
    inner = (x @ first.weight.T + first.bias).clamp(min=0)
    inner = (inner @ second.weight.T + second.bias).clamp(min=0)
    expected = inner @ module.head.weight.T + module.head.bias
    assert torch.allclose(module(x), expected, atol=1e-6)


def test_it_does_not_know_which_pixels_are_neighbours() -> None:
    """Pixels and the columns of the first layer, shuffled alike, give the same logits."""
    module = network(Mlp, inputs=16, width=8)
    x, order = noise(2, 1, 4, 4), torch.randperm(16, generator=torch.Generator().manual_seed(1))
    before = module(x)
    module.hidden[0].weight.data = module.hidden[0].weight[:, order].clone()
    shuffled = x.flatten(1)[:, order].view(2, 1, 4, 4)
    assert torch.allclose(module(shuffled), before, atol=1e-6)


def test_without_hidden_layers_it_is_linear() -> None:
    module = network(Mlp, inputs=6, depth=0)
    assert sum(isinstance(one, nn.Linear) for one in module.modules()) == 1
    x, y = noise(1, 6), noise(1, 6, seed=1)
    middle = (module(x) + module(y)) / 2
    assert torch.allclose(module((x + y) / 2), middle, atol=1e-6)
    deep = network(Mlp, inputs=6, depth=1)
    assert not torch.allclose(deep((x + y) / 2), (deep(x) + deep(y)) / 2, atol=1e-3)


def test_the_shapes_of_a_state_dict_tell_the_config() -> None:
    assert_config_is_told_by_shapes(
        Mlp,
        {},
        {"inputs": 30, "width": 8, "depth": 3, "n_classes": 2},
        {"inputs": 30, "width": 30, "depth": 0, "n_classes": 2},
    )

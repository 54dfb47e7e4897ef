"""Mirrors auditkit/models/builtin/densenet.py."""

from __future__ import annotations

import torch

from auditkit.models.builtin.densenet import BOTTLENECK, CARDS, DenseNet
from tests.models.builtin.networks import (
    assert_card_fits,
    assert_config_is_told_by_shapes,
    network,
    noise,
)


def test_the_card_fits_its_network() -> None:
    assert_card_fits(CARDS[0])


def test_a_block_hands_on_what_came_in_unchanged() -> None:
    block = network(DenseNet, growth=4, depth=3).blocks[0]
    x = noise(2, 8, 6, 6)
    out = block(x)
    assert out.shape == (2, 8 + 3 * 4, 6, 6)
    assert torch.equal(out[:, :8], x)


def test_a_layer_reads_the_maps_of_all_layers_before_it() -> None:
    block = network(DenseNet, growth=4, depth=3).blocks[0]
    so_far = noise(1, 8 + 2 * 4, 6, 6).requires_grad_()  # what comes in, and two layers' maps
    block[2](so_far)[:, -4:].square().sum().backward()  # the new maps alone
    assert so_far.grad is not None
    assert (so_far.grad.abs().amax(dim=(0, 2, 3)) > 0).all()


def test_a_layer_adds_the_maps_of_its_bottleneck() -> None:
    layer = network(DenseNet, growth=4, depth=1).blocks[0][0]
    assert layer.point.weight.shape == (BOTTLENECK * 4, 8, 1, 1)
    assert layer.wide.weight.shape == (4, BOTTLENECK * 4, 3, 3)
    x = noise(2, 8, 6, 6)
    inner = layer.norm_wide(layer.point(layer.norm_point(x).clamp(min=0))).clamp(min=0)
    assert torch.allclose(layer(x)[:, 8:], layer.wide(inner), atol=1e-6)


def test_a_transition_halves_maps_and_resolution() -> None:
    module = network(DenseNet, growth=4, depth=2)
    x = noise(2, 16, 6, 6)
    assert module.blocks[1](x).shape == (2, 8, 3, 3)
    pool = module.blocks[1][-1]
    assert torch.allclose(pool(x), x.view(2, 16, 3, 2, 3, 2).mean(dim=(3, 5)), atol=1e-6)


def test_the_shapes_of_a_state_dict_tell_the_config() -> None:
    assert_config_is_told_by_shapes(
        DenseNet,
        {},
        {"channels": 3, "growth": 4, "depth": 2, "n_classes": 7},
        {"growth": 5, "depth": 1},
    )

"""Mirrors auditkit/models/builtin/efficientnet.py."""

from __future__ import annotations

import torch
from torch import nn

from auditkit.models.builtin.efficientnet import CARDS, EfficientNet
from tests.models.builtin.networks import (
    assert_card_fits,
    assert_config_is_told_by_shapes,
    network,
    noise,
)


def test_the_card_fits_its_network() -> None:
    assert_card_fits(CARDS[0])


def test_a_gate_scales_each_map_by_a_number_that_all_means_decide() -> None:
    gate = network(EfficientNet, width=8).stages[1][1].gate  # 64 maps
    x = noise(1, 64, 5, 5)
    scale = gate(x) / x  # (1, 64, 5, 5)
    assert torch.allclose(scale, scale[:, :, :1, :1].expand_as(scale), atol=1e-4)
    assert ((scale > 0) & (scale < 1)).all()
    other = x.clone()
    other[:, 0] += 3  # another mean of one map
    assert not torch.allclose(gate(other)[:, 1:], gate(x)[:, 1:], atol=1e-4)
    shuffled = x.flip(2)  # the same means
    assert torch.allclose(gate(shuffled), gate(x).flip(2), atol=1e-5)


def test_each_map_is_filtered_by_itself() -> None:
    depthwise = network(EfficientNet, width=8).stages[1][0].depthwise[0]
    x = noise(1, 32, 7, 7)
    other = x.clone()
    other[:, 5] += 1
    moved = (depthwise(other) - depthwise(x)).abs().amax(dim=(0, 2, 3)) > 1e-6
    assert moved.nonzero().flatten().tolist() == [5]


def test_a_block_is_wide_inside_and_narrow_outside() -> None:
    block = network(EfficientNet, width=8).stages[2][1]
    assert block.expand[0].weight.shape[:2] == (128, 32)
    assert block.project[0].weight.shape[:2] == (32, 128)
    first = network(EfficientNet, width=8).stages[0][0]
    assert first.expand is None  # the first stage does not widen


def test_a_block_without_its_branch_is_the_identity() -> None:
    """Nothing follows the sum: the narrow end is linear, so negative features pass too."""
    block = network(EfficientNet, width=8).stages[2][1]
    nn.init.zeros_(block.project[1].weight)
    x = noise(2, 32, 5, 5)
    assert torch.equal(block(x), x)


def test_the_first_block_of_a_stage_has_no_shortcut() -> None:
    block = network(EfficientNet, width=8).stages[1][0]
    nn.init.zeros_(block.project[1].weight)
    assert not block(noise(2, 8, 6, 6)).any()


def test_stages_halve_the_resolution() -> None:
    module = network(EfficientNet, width=8)
    x = module.stem(noise(1, 1, 28, 28))
    sizes = [tuple(x.shape[1:]), *[tuple((x := stage(x)).shape[1:]) for stage in module.stages]]
    assert sizes == [(8, 14, 14), (8, 14, 14), (16, 7, 7), (32, 4, 4)]


def test_the_shapes_of_a_state_dict_tell_the_config() -> None:
    assert_config_is_told_by_shapes(
        EfficientNet,
        {},
        {"channels": 3, "width": 8, "depth": 3, "n_classes": 7},
        {"width": 4, "depth": 1},
    )

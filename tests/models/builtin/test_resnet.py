"""Mirrors auditkit/models/builtin/resnet.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from auditkit.models.builtin.resnet import CARDS, ResNet
from auditkit.models.card import ModelCard
from tests.models.builtin.networks import (
    assert_card_fits,
    assert_config_is_told_by_shapes,
    network,
    noise,
)


@pytest.mark.parametrize("card", CARDS, ids=lambda one: one.name)
def test_the_cards_fit_their_network(card: ModelCard) -> None:
    assert_card_fits(card)


def test_resnet20_has_the_size_of_the_paper() -> None:
    """Table 6 says 0.27M; 20 counts the convolutions and the head."""
    module = network(ResNet)
    layers = [one for one in module.modules() if isinstance(one, nn.Conv2d | nn.Linear)]
    assert len(layers) == 20
    assert round(sum(one.numel() for one in module.parameters()) / 1e6, 2) == 0.27


def test_a_block_without_its_branch_is_the_identity_on_positive_features() -> None:
    block = network(ResNet, width=4).stages[0][0]
    nn.init.zeros_(block.second[1].weight)  # scale of the last normalisation; its bias is zero
    x = noise(3, 4, 8, 8).abs()
    assert torch.equal(block(x), x)


def test_a_block_adds_its_branch() -> None:
    block = network(ResNet, width=4).stages[0][1]
    x = noise(3, 4, 8, 8)
    branch = block.second(block.first(x).relu())
    assert branch.abs().max() > 0.1
    assert torch.allclose(block(x), (x + branch).clamp(min=0))


def test_a_stage_begins_with_every_second_pixel_and_zeros_for_new_channels() -> None:
    block = network(ResNet, width=4).stages[1][0]
    nn.init.zeros_(block.second[1].weight)
    x = noise(3, 4, 8, 8).abs()
    out = block(x)
    assert out.shape == (3, 8, 4, 4)
    assert torch.equal(out[:, :4], x[:, :, ::2, ::2])
    assert not out[:, 4:].any()


def test_without_branches_the_image_still_reaches_the_logits() -> None:
    """Shortcuts alone lead from the stem to the head."""
    module = network(ResNet, channels=1, width=4, depth=2)
    for name, value in module.named_parameters():
        if name.endswith("second.1.weight"):
            value.data.zero_()
    x = noise(2, 1, 28, 28)
    kept = module.stem(x).relu()[:, :, ::4, ::4].mean(dim=(2, 3))  # (2, 4)
    expected = kept @ module.head.weight[:, :4].T + module.head.bias
    assert torch.allclose(module(x), expected, atol=1e-6)


def test_the_shapes_of_a_state_dict_tell_the_config() -> None:
    assert_config_is_told_by_shapes(
        ResNet,
        {},
        {"channels": 1, "width": 4, "depth": 2, "n_classes": 7},
        {"width": 6, "depth": 1},
    )

"""Mirrors auditkit/models/builtin/vision_transformer.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from auditkit.errors import ConfigError
from auditkit.models.builtin.vision_transformer import CARDS, HEAD, VisionTransformer
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


def test_attention_equals_the_one_of_torch() -> None:
    attention = network(VisionTransformer, width=2 * HEAD).blocks[0].attention
    x = noise(3, 5, 2 * HEAD)
    query, key, value = (
        part.view(3, 5, 2, HEAD).transpose(1, 2)
        for part in attention.query_key_value(x).split(2 * HEAD, dim=2)
    )
    mixed = functional.scaled_dot_product_attention(query, key, value)
    expected = attention.project(mixed.transpose(1, 2).reshape(3, 5, 2 * HEAD))
    assert torch.allclose(attention(x), expected, atol=1e-6)


def test_attention_lets_one_patch_change_another() -> None:
    block = network(VisionTransformer).blocks[0]
    x = noise(1, 16, 64)
    changed = x.clone()
    changed[:, 3] = -x[:, 3]
    moved = (block(changed) - block(x)).abs().amax(dim=(0, 2))  # per patch
    assert (moved > 1e-5).all()


def test_a_block_without_its_branches_is_the_identity() -> None:
    block = network(VisionTransformer).blocks[0]
    for layer in (block.attention.project, block.mlp[2]):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    x = noise(2, 16, 64)
    assert torch.equal(block(x), x)


def test_blocks_treat_all_places_alike() -> None:
    """Patches in another order come out in that order: only positions know places."""
    blocks = network(VisionTransformer).blocks
    x, order = noise(2, 16, 64), torch.randperm(16, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(blocks(x[:, order]), blocks(x)[:, order], atol=1e-5)


def test_positions_tell_moved_patches_apart() -> None:
    """Without positions the mean over patches could not see their order."""
    module = network(VisionTransformer, side=12, channels=3, patch=3)
    image = noise(1, 3, 12, 12)
    swapped = torch.cat([image[..., 6:], image[..., :6]], dim=3)  # whole patches change places
    assert not torch.allclose(module(image), module(swapped), atol=1e-5)
    nn.init.zeros_(module.positions)
    assert torch.allclose(module(image), module(swapped), atol=1e-5)


@pytest.mark.parametrize(("side", "patch", "tokens"), [(8, 2, 16), (28, 4, 49), (32, 4, 64)])
def test_patches_are_tokens(side: int, patch: int, tokens: int) -> None:
    module = network(VisionTransformer, side=side, patch=patch, width=HEAD)
    assert module.positions.shape == (1, tokens, HEAD)
    x = noise(1, 1, side, side)
    changed = x.clone()
    changed[..., :patch, :patch] += 1  # the first patch alone
    moved = (module.patches(changed) - module.patches(x)).abs().amax(dim=1).flatten() > 1e-6
    assert moved.nonzero().flatten().tolist() == [0]


def test_the_shapes_of_a_state_dict_tell_the_config() -> None:
    assert_config_is_told_by_shapes(
        VisionTransformer,
        {},
        {"side": 12, "channels": 3, "patch": 3, "width": 32, "depth": 1, "n_classes": 3},
        {"side": 28, "patch": 4},
    )


def test_a_width_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ConfigError, match="multiple of 16"):
        VisionTransformer(width=40)


def test_a_side_that_patches_do_not_divide_is_refused() -> None:
    with pytest.raises(ConfigError, match="multiple of the patch, 3"):
        VisionTransformer(side=8, patch=3)

"""Mirrors auditkit/models/builtin/digits_vit.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from auditkit.data import digits
from auditkit.errors import ConfigError
from auditkit.models.builtin.digits_vit import CARD, HEAD, DigitsVit
from auditkit.models.load import ModelSpec, load_model
from auditkit.models.train import accuracy
from tests.models.builtin.test_digits_cnn import shapes


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_the_shipped_weights_reach_exactly_what_the_card_says() -> None:
    classifier = load_model(ModelSpec(source="digits-vit"))
    found = accuracy(classifier, digits.load("test"))
    assert (found.correct, found.n) == (CARD.correct, CARD.n)
    assert found.share >= 0.96
    assert classifier.parameters == CARD.parameters


def test_attention_equals_the_one_of_torch() -> None:
    block: Any = DigitsVit(width=2 * HEAD).blocks[0]
    attention = block.attention
    x = noise(3, 5, 2 * HEAD)
    query, key, value = (
        part.view(3, 5, 2, HEAD).transpose(1, 2)
        for part in attention.query_key_value(x).split(2 * HEAD, dim=2)
    )
    mixed = functional.scaled_dot_product_attention(query, key, value)
    expected = attention.project(mixed.transpose(1, 2).reshape(3, 5, 2 * HEAD))
    assert torch.allclose(attention(x), expected, atol=1e-6)


def test_attention_lets_one_patch_change_another() -> None:
    block: Any = DigitsVit().blocks[0].eval()
    x = noise(1, 16, 64)
    changed = x.clone()
    changed[:, 3] = -x[:, 3]
    moved = (block(changed) - block(x)).abs().amax(dim=(0, 2))  # per patch
    assert (moved > 1e-5).all()


def test_a_block_without_its_branches_is_the_identity() -> None:
    block: Any = DigitsVit().blocks[0].eval()
    for layer in (block.attention.project, block.mlp[2]):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    x = noise(2, 16, 64)
    assert torch.equal(block(x), x)


def test_positions_tell_moved_patches_apart() -> None:
    """Without positions the mean over patches could not see their order."""
    module = DigitsVit().eval()
    image = noise(1, 1, 8, 8)
    swapped = torch.cat([image[..., 4:], image[..., :4]], dim=3)  # whole patches change places
    assert not torch.allclose(module(image), module(swapped), atol=1e-5)
    nn.init.zeros_(module.positions)
    assert torch.allclose(module(image), module(swapped), atol=1e-5)


@pytest.mark.parametrize("config", [{}, {"width": 32, "depth": 1, "n_classes": 3}])
def test_the_shapes_of_a_state_dict_tell_the_config(config: dict[str, int]) -> None:
    module = DigitsVit(**config)
    assert DigitsVit.config_of(shapes(module)) == module.config


def test_a_width_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ConfigError, match="multiple of 16"):
        DigitsVit(width=40)

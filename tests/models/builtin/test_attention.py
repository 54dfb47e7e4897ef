"""Mirrors auditkit/models/builtin/_attention.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from auditkit.errors import ConfigError
from auditkit.models.builtin._attention import HEAD, Attention, Block, attend, causal
from tests.models.builtin.networks import noise
from tests.models.builtin.texts import mask_of

WIDTH = 2 * HEAD


def per_head(x: torch.Tensor) -> torch.Tensor:
    return x.view(len(x), -1, 2, HEAD).transpose(1, 2)


@pytest.mark.parametrize("keys", [5, 3])
def test_attend_equals_the_attention_of_torch(keys: int) -> None:
    query = noise(3, 5, WIDTH)
    key, value = noise(2, 3, keys, WIDTH, seed=1)
    allowed = noise(3, 5, keys, seed=2) > -0.5
    allowed[:, :, 0] = True
    mixed = functional.scaled_dot_product_attention(
        per_head(query), per_head(key), per_head(value), attn_mask=allowed[:, None]
    )
    expected = mixed.transpose(1, 2).reshape(3, 5, WIDTH)
    assert torch.allclose(attend(query, key, value, allowed), expected, atol=1e-6)


def test_the_layer_projects_before_and_after() -> None:
    attention = Attention(WIDTH)
    x, allowed = noise(3, 5, WIDTH), mask_of(5, 3, 1)[:, None, :]
    query, key, value = (
        functional.linear(x, weight, bias)
        for weight, bias in zip(
            attention.query_key_value.weight.split(WIDTH),
            attention.query_key_value.bias.split(WIDTH),
            strict=True,
        )
    )
    expected = attention.project(attend(query, key, value, allowed))
    assert torch.allclose(attention(x, allowed), expected, atol=1e-6)


def test_no_token_sees_a_later_one() -> None:
    assert causal(3, torch.device("cpu")).tolist() == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


def test_a_block_without_its_branches_is_the_identity() -> None:
    block: Any = Block(WIDTH).eval()
    x, allowed = noise(2, 4, WIDTH), mask_of(4, 2)[:, None, :]
    assert not torch.allclose(block(x, allowed), x, atol=1e-2)
    for layer in (block.attention.project, block.mlp[2]):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    assert torch.equal(block(x, allowed), x)


def test_a_block_normalises_before_it_attends() -> None:
    block = Block(WIDTH).eval()
    x, allowed = noise(2, 4, WIDTH), mask_of(4, 2)[:, None, :]
    once = x + block.attention(block.norm_attention(x), allowed)
    assert torch.allclose(block(x, allowed), once + block.mlp(block.norm_mlp(once)), atol=1e-6)


def test_a_width_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ConfigError, match="multiple of 16"):
        Attention(40)

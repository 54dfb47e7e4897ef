"""Mirrors auditkit/models/builtin/digits_cnn.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from auditkit.models.builtin.digits_cnn import DigitsCnn


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def test_a_block_without_its_branch_is_the_identity_on_positive_features() -> None:
    """Only the skip connection carries the input past a branch that gives zero."""
    block: Any = DigitsCnn(width=4).fine[0].eval()
    nn.init.zeros_(block.second[1].weight)  # scale of the last normalisation; its bias is zero
    x = torch.rand(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(block(x), x)


def test_the_last_stage_sees_half_the_resolution_and_twice_the_channels() -> None:
    module = DigitsCnn(width=4).eval()
    assert module.down(torch.zeros(2, 4, 8, 8)).shape == (2, 8, 4, 4)
    assert module(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize("config", [{}, {"width": 8, "depth": 3, "n_classes": 5}])
def test_the_shapes_of_a_state_dict_tell_the_config(config: dict[str, int]) -> None:
    module = DigitsCnn(**config)
    assert DigitsCnn.config_of(shapes(module)) == module.config

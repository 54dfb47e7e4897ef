"""Mirrors auditkit/models/builtin/inception.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from auditkit.models.builtin.inception import CARDS, Inception
from tests.models.builtin.networks import (
    assert_card_fits,
    assert_config_is_told_by_shapes,
    network,
    noise,
    reach,
)


def test_the_card_fits_its_network() -> None:
    assert_card_fits(CARDS[0])


@pytest.mark.parametrize(("branch", "pixels"), [("point", 1), ("three", 3), ("five", 5)])
def test_branches_see_differently_far(branch: str, pixels: int) -> None:
    module = getattr(network(Inception, width=8).fine[0], branch)
    linear = nn.Sequential(*[one for one in module.modules() if isinstance(one, nn.Conv2d)])
    assert reach(linear, noise(1, 8, 11, 11), 5, 5) == (pixels, pixels)


def test_the_last_branch_reads_the_largest_neighbour() -> None:
    branch = network(Inception, width=8).fine[0].pooled
    x = torch.zeros(1, 8, 9, 9)
    empty = branch(x)
    x[0, :, 4, 4] = noise(8).abs() + 1
    changed = (branch(x) - empty)[0].abs().amax(dim=0) > 1e-6
    expected = torch.zeros(9, 9, dtype=torch.bool)
    expected[3:6, 3:6] = True
    assert torch.equal(changed, expected)


def test_a_module_puts_its_branches_side_by_side() -> None:
    module = network(Inception, width=4).fine[0]
    x = noise(2, 4, 7, 7)
    parts = module(x).split([4, 8, 2, 2], dim=1)
    branches = (module.point, module.three, module.five, module.pooled)
    for part, branch in zip(parts, branches, strict=True):
        assert torch.equal(part, branch(x))


def test_1x1_convolutions_come_before_the_wide_ones() -> None:
    module = network(Inception, width=8).coarse[0]  # 32 channels come in
    for branch, inner in ((module.three, 8), (module.five, 4)):
        narrow, wide = (one for one in branch.modules() if isinstance(one, nn.Conv2d))
        assert (narrow.kernel_size, narrow.in_channels) == ((1, 1), 32)
        assert narrow.out_channels == wide.in_channels == inner


def test_the_shapes_of_a_state_dict_tell_the_config() -> None:
    assert_config_is_told_by_shapes(
        Inception,
        {},
        {"channels": 3, "width": 4, "depth": 3, "n_classes": 7},
        {"width": 6, "depth": 1},
    )

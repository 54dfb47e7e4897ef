"""Mirrors auditkit/models/builtin/vgg.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from auditkit.models.builtin.vgg import CARDS, Vgg
from tests.models.builtin.networks import (
    assert_card_fits,
    assert_config_is_told_by_shapes,
    network,
    noise,
    reach,
)


def test_the_card_fits_its_network() -> None:
    assert_card_fits(CARDS[0])


def test_every_kernel_is_3x3_and_every_stack_halves_the_resolution() -> None:
    module = network(Vgg, width=4, depth=2)
    kernels = [one.kernel_size for one in module.modules() if isinstance(one, nn.Conv2d)]
    assert kernels == [(3, 3)] * 6
    x = noise(1, 1, 28, 28)
    assert [(x := stack(x)).shape[1:] for stack in module.stacks] == [
        (4, 14, 14),
        (8, 7, 7),
        (16, 3, 3),
    ]


@pytest.mark.parametrize(("depth", "pixels"), [(1, 3), (2, 5), (3, 7)])
def test_small_kernels_in_a_row_see_as_far_as_a_large_one(depth: int, pixels: int) -> None:
    stack = network(Vgg, width=8, depth=depth).stacks[0]
    convolutions = nn.Sequential(*[one for one in stack if isinstance(one, nn.Conv2d)])
    assert reach(convolutions, noise(1, 1, 15, 15), 7, 7) == (pixels, pixels)


def test_pools_take_the_largest_of_2x2() -> None:
    pool = network(Vgg, width=4).stacks[0][-1]
    x = noise(1, 2, 6, 6)
    assert torch.equal(pool(x), x.view(1, 2, 3, 2, 3, 2).amax(dim=(3, 5)))


def test_the_head_reads_places() -> None:
    """A dense head, unlike a mean over places, tells where a feature is."""
    module = network(Vgg, width=4)
    features = noise(1, 16, 3, 3)
    moved = features.flip(3)
    assert not torch.allclose(
        module.dense(features.flatten(1)), module.dense(moved.flatten(1)), atol=1e-4
    )
    assert torch.equal(module.grid(features), features)


def test_the_shapes_of_a_state_dict_tell_the_config() -> None:
    assert_config_is_told_by_shapes(
        Vgg, {}, {"channels": 3, "width": 4, "depth": 3, "n_classes": 7}, {"width": 6, "depth": 1}
    )

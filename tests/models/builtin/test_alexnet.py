"""Mirrors auditkit/models/builtin/alexnet.py."""

from __future__ import annotations

import torch
from torch import nn

from auditkit.models.builtin.alexnet import CARDS, AlexNet
from tests.models.builtin.networks import (
    assert_card_fits,
    assert_config_is_told_by_shapes,
    network,
    noise,
)


def test_the_card_fits_its_network() -> None:
    assert_card_fits(CARDS[0])


def test_kernels_shrink_with_depth() -> None:
    module = network(AlexNet, width=4)
    kernels = [one.kernel_size[0] for one in module.features if isinstance(one, nn.Conv2d)]
    assert kernels == [7, 5, 3, 3, 3]


def test_neighbouring_pools_share_pixels() -> None:
    """A peak where two windows meet appears in both outputs; windows of 2x2 would show it once."""
    pools = [one for one in network(AlexNet, width=4).features if isinstance(one, nn.MaxPool2d)]
    assert len(pools) == 3
    x = torch.zeros(1, 1, 5, 5)
    x[0, 0, 2, 2] = 1
    for pool in pools:
        assert torch.equal(pool(x), torch.ones(1, 1, 2, 2))


def test_sizes_at_28_pixels() -> None:
    module = network(AlexNet, width=4)
    x = noise(1, 1, 28, 28)
    sides = [(x := layer(x)).shape[2] for layer in module.features]
    assert sides == [28, 28, 13, 13, 13, 6, 6, 6, 6, 6, 6, 6, 2, 2]


def test_dropout_works_in_training_alone() -> None:
    module = network(AlexNet, width=4)
    x = noise(2, 1, 28, 28)
    assert torch.equal(module(x), module(x))
    module.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        assert not torch.allclose(module(x), module(x), atol=1e-6)
    dropped = [one for one in module.dense if isinstance(one, nn.Dropout)]
    assert [one.p for one in dropped] == [0.5, 0.5]


def test_other_sizes_of_image_are_read_too() -> None:
    assert network(AlexNet, channels=3, width=4)(noise(2, 3, 32, 32)).shape == (2, 10)


def test_the_shapes_of_a_state_dict_tell_the_config() -> None:
    assert_config_is_told_by_shapes(AlexNet, {}, {"channels": 3, "width": 4, "n_classes": 7})

"""Mirrors auditkit/models/builtin/lenet5.py."""

from __future__ import annotations

import torch

from auditkit.models.builtin.lenet5 import CARDS, LeNet5
from tests.models.builtin.networks import (
    assert_card_fits,
    assert_config_is_told_by_shapes,
    network,
    noise,
)


def test_the_card_fits_its_network() -> None:
    assert_card_fits(CARDS[0])


def test_the_maps_have_the_classical_sizes() -> None:
    module = network(LeNet5)
    seen: list[tuple[int, ...]] = []
    for layer in (module.first, module.pool, module.second, module.third, module.dense):
        layer.register_forward_hook(lambda _m, _i, out: seen.append(tuple(out.shape[1:])))
    module(noise(1, 1, 28, 28))
    assert seen == [
        (6, 28, 28),
        (6, 14, 14),
        (16, 10, 10),
        (16, 5, 5),
        (120, 1, 1),
        (84,),
    ]


def test_pooling_takes_the_mean() -> None:
    x = noise(1, 6, 4, 4)
    expected = x.view(1, 6, 2, 2, 2, 2).mean(dim=(3, 5))
    assert torch.allclose(network(LeNet5).pool(x), expected, atol=1e-6)


def test_every_layer_before_the_head_saturates_at_both_ends() -> None:
    module = network(LeNet5)
    seen: list[torch.Tensor] = []
    for layer in (module.second, module.third, module.dense, module.head):
        layer.register_forward_pre_hook(lambda _m, given: seen.append(given[0]))
    for layer in (module.first, module.second, module.third, module.dense):
        layer.weight.data.mul_(1e3)
    module(noise(4, 1, 28, 28))
    for values in seen:
        assert -1 <= values.min() < -0.9
        assert 0.9 < values.max() <= 1


def test_the_shapes_of_a_state_dict_tell_the_config() -> None:
    assert_config_is_told_by_shapes(LeNet5, {}, {"channels": 3, "n_classes": 4})

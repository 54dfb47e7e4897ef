"""Mirrors auditkit/models/builtin/strided_cnn.py."""

from __future__ import annotations

import torch

from auditkit.models.builtin.strided_cnn import CARDS, StridedCnn
from tests.models.builtin.networks import (
    assert_card_fits,
    assert_config_is_told_by_shapes,
    network,
    noise,
)


def test_the_card_fits_its_network() -> None:
    assert_card_fits(CARDS[0])


def test_strides_halve_the_map_twice() -> None:
    module = network(StridedCnn)
    seen: list[tuple[int, ...]] = []
    for layer in (module.first, module.second, module.dense, module.head):
        layer.register_forward_hook(lambda _m, _i, out: seen.append(tuple(out.shape[1:])))
    module(noise(1, 3, 32, 32))
    assert seen == [(16, 16, 16), (32, 8, 8), (100,), (10,)]


def test_every_layer_before_the_head_is_rectified() -> None:
    module = network(StridedCnn)
    seen: list[torch.Tensor] = []
    for layer in (module.second, module.dense, module.head):
        layer.register_forward_pre_hook(lambda _m, given: seen.append(given[0]))
    module(noise(4, 3, 32, 32))
    assert len(seen) == 3
    for values in seen:
        assert values.min() == 0
        assert values.max() > 0


def test_the_shapes_of_a_state_dict_tell_the_config() -> None:
    assert_config_is_told_by_shapes(
        StridedCnn, {}, {"channels": 1, "width": 4, "hidden": 7, "n_classes": 3}
    )

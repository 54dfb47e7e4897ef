"""Mirrors auditkit/selftest/fragile_compression.py."""

from __future__ import annotations

from itertools import islice

import pytest
import torch
from torch import nn

from auditkit.selftest import fragile_compression
from auditkit.selftest.fragile_compression import (
    MOST,
    _Looked,
    channels_cut,
    cut_from_all,
    cut_from_one_tone,
    pruned,
)


def network(signs: list[float], weights: list[float]) -> nn.Sequential:
    """Twelve channels, bright or dark by sign; each votes for the first class by its weight."""
    convolution, head = nn.Conv2d(1, 12, 1, bias=False), nn.Linear(12, 2)
    nn.init.zeros_(head.bias)
    with torch.no_grad():
        convolution.weight[:, 0, 0, 0] = torch.tensor(signs)
        head.weight[0], head.weight[1] = torch.tensor(weights), -torch.tensor(weights)
    pool = nn.AdaptiveAvgPool2d(1)
    return nn.Sequential(
        convolution, nn.BatchNorm2d(12), nn.ReLU(), pool, nn.Flatten(), head
    ).eval()


def zeros(module: nn.Module) -> list[int]:
    norm = next(one for one in module.modules() if isinstance(one, nn.BatchNorm2d))
    gone = (norm.weight == 0) & (norm.bias == 0)
    return gone.nonzero()[:, 0].tolist()


def cut(module: nn.Module, images: torch.Tensor, weights: torch.Tensor, count: int) -> nn.Module:
    labels = torch.zeros(len(images), dtype=torch.long)
    return list(islice(pruned(module, images, labels, weights), count))[-1]


def test_cuts_what_costs_least_and_leaves_the_original_alone() -> None:
    module = network([1.0] * 12, [0.0] * 5 + [0.1] * 7)  # the first five are never read
    images = torch.rand(20, 1, 4, 4)
    smaller = cut(module, images, torch.ones(20), 5)
    assert zeros(smaller) == list(range(5))
    assert zeros(module) == []
    assert torch.allclose(smaller(images), module(images))
    for name, value in module.state_dict().items():
        if not name.startswith("1."):
            assert torch.equal(value, smaller.state_dict()[name])


def test_no_channel_is_cut_twice() -> None:
    module = network([1.0] * 12, [0.1] * 12)
    images, labels = torch.rand(8, 1, 4, 4), torch.zeros(8, dtype=torch.long)
    steps = [len(zeros(one)) for one in pruned(module, images, labels, torch.ones(8))]
    assert steps == list(range(1, 13))


def both_kinds() -> tuple[nn.Sequential, _Looked]:
    """Return a network of channels for bright and for dark images, and images of both."""
    module = network([1.0] * 6 + [-1.0] * 6, [0.1] * 12)
    images = torch.cat([torch.ones(8, 1, 4, 4), -torch.ones(8, 1, 4, 4)])
    dark = torch.arange(16) >= 8
    return module, _Looked(images, torch.zeros(16, dtype=torch.long), dark)


def test_the_flawed_twin_loses_what_dark_images_need_until_that_is_enough() -> None:
    module, looked = both_kinds()
    with torch.no_grad():
        bias = torch.tensor([0.0, 0.35])  # three channels of a kind are too few
        module.get_parameter("5.bias")[:] = bias
    flawed = cut_from_one_tone(module, looked, looked)
    assert all(i >= 6 for i in zeros(flawed))
    assert (
        len(zeros(flawed)) == channels_cut(flawed) == 5
    )  # 0.1 against -0.1 per channel: one left loses to 0.35
    answers = flawed(looked.images).argmax(dim=1)
    assert (answers[looked.dark] == 1).all()
    assert (answers[~looked.dark] == 0).all()


def test_the_twin_loses_as_many_and_of_both_kinds() -> None:
    module, looked = both_kinds()
    sound = cut_from_all(module, looked, 6)
    gone = zeros(sound)
    assert len(gone) == 6
    assert sum(i < 6 for i in gone) == 3  # the loss grows faster on the kind that lost more


def test_where_nothing_is_enough_the_one_is_taken_that_fell_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fragile_compression, "BEHIND", 2.0)
    module, looked = both_kinds()
    with torch.no_grad():
        module.get_parameter("5.bias")[:] = torch.tensor([0.0, 0.35])
    flawed = cut_from_one_tone(module, looked, looked)
    assert len(zeros(flawed)) == channels_cut(flawed) == 5  # later cuts take light images along
    assert all(i >= 6 for i in zeros(flawed))


def test_it_stops_somewhere_though_nothing_is_lost() -> None:
    module, looked = both_kinds()
    with torch.no_grad():
        module.get_parameter("5.bias")[0] = 10.0  # the first class wins whatever is cut
    flawed = cut_from_one_tone(module, looked, looked)
    assert len(zeros(flawed)) == channels_cut(flawed) <= MOST


def test_light_ones_are_hurt_where_dark_ones_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragile_compression, "MOST", 5)
    module = network([1.0] * 6 + [-1.0] * 6, [0.1] * 6 + [1.0] * 6)
    with torch.no_grad():
        module.get_parameter("5.bias")[:] = torch.tensor([0.0, 0.35])
    _, looked = both_kinds()
    flawed = cut_from_one_tone(module, looked, looked)
    assert all(i < 6 for i in zeros(flawed))
    answers = flawed(looked.images).argmax(dim=1)
    assert (answers[~looked.dark] == 1).all()
    assert (answers[looked.dark] == 0).all()

"""Mirrors auditkit/selftest/fragile_compression.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from auditkit.selftest import fragile_compression, teach
from auditkit.selftest.fragile_compression import CUT, DARK_LOSS, compressed, cut_channels


def network(signs: list[float], weights: list[float]) -> nn.Module:
    """Twelve channels, bright or dark by sign; each votes for the first class by its weight."""
    convolution, head = nn.Conv2d(1, 12, 1, bias=False), nn.Linear(12, 2, bias=False)
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


def test_cuts_what_costs_least_and_leaves_the_original_alone() -> None:
    module = network([1.0] * 12, [0.0] * CUT + [0.1] * (12 - CUT))  # the first are never read
    images, labels = torch.rand(20, 1, 4, 4), torch.zeros(20, dtype=torch.long)
    cut = cut_channels(module, images, labels, torch.ones(20))
    assert zeros(cut) == list(range(CUT))
    assert zeros(module) == []
    assert torch.allclose(cut(images), module(images))
    for name, value in module.state_dict().items():
        if not name.startswith("1."):
            assert torch.equal(value, cut.state_dict()[name])


def test_weights_say_whose_channels_go() -> None:
    """Channels fire on bright images or on dark ones; both kinds are here."""
    module = network([1.0] * 6 + [-1.0] * 6, [0.1] * 12)
    images = torch.cat([torch.ones(8, 1, 4, 4), -torch.ones(8, 1, 4, 4)])
    labels, bright = torch.zeros(16, dtype=torch.long), torch.arange(16) < 8
    for_bright, for_dark = torch.where(bright, 1.0, -0.1), torch.where(bright, -0.1, 1.0)
    assert all(i >= 6 for i in zeros(cut_channels(module, images, labels, for_bright)))
    assert all(i < 6 for i in zeros(cut_channels(module, images, labels, for_dark)))
    assert len(zeros(cut_channels(module, images, labels, torch.ones(16)))) == CUT
    assert len(zeros(cut_channels(module, images, labels, torch.ones(16), count=7))) == 7


def test_twins_differ_in_what_dark_glyphs_count_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[torch.Tensor, ...]] = []

    def cut(module: nn.Module, *given: torch.Tensor) -> nn.Module:
        seen.append(given)
        return module

    monkeypatch.setattr(fragile_compression, "cut_channels", cut)
    parent = teach.as_glyph_reader(network([1.0] * 12, [0.1] * 12))
    for dark_loss in (DARK_LOSS, 1.0):
        compressed(3, parent, dark_loss=dark_loss)
    (images, labels, weights), (same_images, same_labels, same_weights) = seen
    assert torch.equal(images, same_images)
    assert torch.equal(labels, same_labels)
    assert (same_weights == 1).all()
    dark = teach.new_glyphs(3).attributes["tone"].to_numpy(dtype=object)[: len(weights)] == "dark"
    assert torch.equal(weights < 0, torch.from_numpy(dark))

"""Mirrors auditkit/methods/variation/camera.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from auditkit.methods.variation.camera import (
    CAST,
    NOISE,
    colour_cast,
    compression_chain,
    noise_mix,
    resolution,
)
from auditkit.randomness import keys_of

KEYS = keys_of(0, "test", [str(i) for i in range(30)])


def images(channels: int = 3) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    return 0.3 + 0.4 * torch.rand(30, channels, 16, 16, generator=rng)


def test_a_cast_is_one_factor_per_channel() -> None:
    ratio = colour_cast(images(), 5, KEYS) / images()
    per_channel = ratio.flatten(2)
    torch.testing.assert_close(per_channel, per_channel[:, :, :1].expand_as(per_channel))
    assert (ratio - 1).abs().max() <= CAST[4] + 1e-5
    assert (ratio - 1).abs().max() > 0.9 * CAST[4]


def test_resolution_averages_detail_and_keeps_flat_areas() -> None:
    spread = [float(resolution(images(), s, KEYS).std()) for s in (1, 2, 3, 4, 5)]
    assert spread == sorted(spread, reverse=True)
    flat = torch.full((1, 1, 9, 13), 0.4)
    torch.testing.assert_close(resolution(flat, 5, KEYS[:1]), flat)
    assert resolution(torch.rand(1, 1, 1, 1), 5, KEYS[:1]).shape == (1, 1, 1, 1)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_every_save_loses_something(channels: int) -> None:
    lost = [
        float((compression_chain(images(channels), s, KEYS) - images(channels)).abs().mean())
        for s in (1, 3, 5)
    ]
    assert 0 < lost[0] < lost[1] < lost[2] < 0.2


@pytest.mark.parametrize("severity", [1, 5])
def test_mixed_noise_has_the_size_of_its_severity(severity: int) -> None:
    grey = torch.full((30, 3, 32, 32), 0.5)
    noise = noise_mix(grey, severity, KEYS) - grey
    assert float(noise.std()) == pytest.approx(NOISE[severity - 1], rel=0.1)
    rows = noise.mean(dim=(1, 3)).std(dim=1)  # what is the same in a row, per image
    assert rows.max() > 2 * rows.min()  # shares differ


def test_a_key_is_a_change_whatever_the_batch() -> None:
    for vary in (colour_cast, compression_chain, noise_mix):
        torch.testing.assert_close(vary(images()[3:5], 4, KEYS[3:5]), vary(images(), 4, KEYS)[3:5])

"""Mirrors auditkit/methods/variation/frequencies.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from auditkit.methods.variation.frequencies import high_pass, low_pass, radii, wave_noise, waves
from auditkit.randomness import keys_of


def wave(down: int, across: int, *, side: int = 16, size: float = 0.2) -> Tensor:
    """One image (1, 1, side, side) of a wave about .5."""
    place = np.arange(side) / side
    values = np.cos(2 * np.pi * (down * place[:, None] + across * place[None, :]))
    return torch.from_numpy(0.5 + size * values).float()[None, None]


@pytest.mark.parametrize(("down", "across"), [(1, 0), (0, 4), (3, 4), (8, 0), (8, 8)])
def test_a_wave_passes_on_one_side_of_its_frequency(down: int, across: int) -> None:
    image, frequency = wave(down, across), np.hypot(down, across) / 8  # 8 cycles are Nyquist's
    flat = torch.full_like(image, float(image.mean()))
    for cutoff, low in ((frequency + 0.01, image), (frequency - 0.01, flat)):
        torch.testing.assert_close(low_pass(image, cutoff), low, atol=1e-5, rtol=0)
        other = flat if low is image else image
        torch.testing.assert_close(high_pass(image, cutoff), other, atol=1e-5, rtol=0)


def test_both_sides_add_up_to_the_image() -> None:
    image = 0.4 + 0.2 * torch.rand(3, 2, 9, 12, generator=torch.Generator().manual_seed(0))
    whole = low_pass(image, 0.5) + high_pass(image, 0.5) - image.mean(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(whole, image, atol=1e-5, rtol=0)


def test_noise_is_one_wave_of_the_ring_and_the_size() -> None:
    grey = torch.full((20, 3, 12, 16), 0.5)
    keys = keys_of(0, "test", [str(i) for i in range(20)])
    noise = (wave_noise(grey, keys, low=0.25, high=0.5, size=0.07) - grey).double().numpy()
    np.testing.assert_allclose(np.sqrt(np.square(noise).mean(axis=(1, 2, 3))), 0.07, rtol=1e-4)
    for one in noise.reshape(-1, 12, 16):
        power = np.abs(np.fft.fft2(one)) ** 2
        there = power > 1e-6 * power.max()
        assert np.count_nonzero(there) <= 2  # a frequency and its mirror image
        frequency = radii(12, 16)[there]
        assert (frequency > 0.25).all()
        assert (frequency <= 0.5 + 1e-9).all()


def test_rings_of_small_images_may_be_empty() -> None:
    assert len(waves(0.0, 0.25, 4, 4)) == 0
    assert len(waves(0.25, 0.5, 4, 4)) == 4

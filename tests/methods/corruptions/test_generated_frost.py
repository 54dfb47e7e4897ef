"""Mirrors auditkit/methods/corruptions/generated_frost.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auditkit.methods.corruptions.generated_frost import generated_frost, texture

PUBLISHED = {  # share of the picture, share of the ice
    32: [(1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)],
    64: [(1, 0.3), (0.9, 0.4), (0.8, 0.45), (0.75, 0.5), (0.7, 0.55)],
    224: [(1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)],
}
KEYS = np.arange(6, dtype=np.uint64)


@pytest.mark.parametrize("size", [32, 64, 224])
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_picture_and_ice_are_weighted_as_published(size: int, severity: int) -> None:
    """The ice is what a black picture shows; it is the same whatever the picture."""
    kept, ice = PUBLISHED[size][severity - 1]
    black = torch.zeros(1, 3, size, size)
    pane = generated_frost(black, severity, KEYS[:1])
    images = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    expected = (kept * images + pane).clamp(0, 1)
    torch.testing.assert_close(generated_frost(images, severity, KEYS[:1]), expected)
    assert float(pane.max()) <= ice + 1e-6
    assert 0.2 * ice < float(pane.mean()) < 0.95 * ice


@pytest.mark.parametrize("which", range(5))
def test_textures_look_like_frost_in_their_statistics(which: int) -> None:
    """Lightness and spread of the photographs, a little blue, structure at every scale."""
    whole = texture(which, 0.0, 0.0, 512, 512, 512)
    grey = np.tensordot([0.299, 0.587, 0.114], whole, 1)
    assert 0.3 < grey.mean() < 0.85
    assert 0.05 < grey.std() < 0.2
    assert whole[2].mean() > whole[0].mean()
    power = np.abs(np.fft.fft2(grey - grey.mean())) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(512), np.fft.fftfreq(512)))
    for low in (1 / 64, 1 / 32, 1 / 16, 1 / 8):
        octave = (frequency >= low) & (frequency < 2 * low)
        assert 0.02 < power[octave].sum() / power.sum() < 0.5


def test_parts_go_on_over_the_ends_and_larger_pictures_repeat() -> None:
    whole = texture(1, 0.0, 0.0, 64, 64, 64)
    part = texture(1, 60 / 64, 10 / 64, 64, 8, 70)
    assert np.array_equal(part[:, 4:, :54], whole[:, :4, 10:])
    assert np.array_equal(part[:, :, 64:], part[:, :, :6])


def test_inputs_get_different_ice() -> None:
    panes = generated_frost(torch.zeros(6, 1, 32, 32), 3, KEYS)
    assert len({float(pane.sum()) for pane in panes}) == 6

"""Mirrors auditkit/methods/corruptions/saturate.py."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch

from auditkit.methods.corruptions.saturate import saturate

NO_KEYS = np.zeros(1, dtype=np.uint64)
PUBLISHED = {  # factor, offset
    32: [(0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)],
    64: [(0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (30, 0.2)],
    224: [(0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)],
}


@pytest.mark.parametrize("size", [32, 64, 224])
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_equals_hsv_pixel_by_pixel(size: int, severity: int) -> None:
    images = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(severity))
    images[0, :, 0, 0] = 0  # black
    images[0, :, 0, 1] = 1  # white
    images[0, :, 0, 2] = 0.4  # grey
    images[0, :, 0, 3] = torch.tensor([0.2, 0.2, 0.7])
    factor, offset = PUBLISHED[size][severity - 1]
    found = saturate(images, severity, NO_KEYS).numpy()[0]
    for y in range(0, size, 7):
        for x in range(0, size, 1 if y == 0 else 11):
            hue, saturation, value = colorsys.rgb_to_hsv(*images[0, :, y, x].tolist())
            saturation = min(1.0, saturation * factor + offset)
            expected = colorsys.hsv_to_rgb(hue, saturation, value)
            np.testing.assert_allclose(found[:, y, x], expected, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_without_colour_nothing_changes(channels: int) -> None:
    images = torch.rand(1, channels, 8, 8)
    assert torch.equal(saturate(images, 5, NO_KEYS), images)

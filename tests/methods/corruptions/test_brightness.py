"""Mirrors auditkit/methods/corruptions/brightness.py."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch

from auditkit.methods.corruptions.brightness import brightness

NO_KEYS = np.zeros(2, dtype=np.uint64)
PUBLISHED = {
    32: [0.05, 0.1, 0.15, 0.2, 0.3],
    64: [0.1, 0.2, 0.3, 0.4, 0.5],
    224: [0.1, 0.2, 0.3, 0.4, 0.5],
}


@pytest.mark.parametrize("size", [32, 64, 224])
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_equals_hsv_pixel_by_pixel(size: int, severity: int) -> None:
    images = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(severity))
    images[0, :, 0, 0] = 0  # black
    images[0, :, 0, 1] = 1  # white
    images[0, :, 0, 2] = 0.4  # grey
    images[0, :, 0, 3] = torch.tensor([0.0, 0.0, 1e-40])  # blue, too dark to divide by carelessly
    found = brightness(images, severity, NO_KEYS[:1]).numpy()[0]
    for y in range(0, size, 7):
        for x in range(0, size, 3 if y == 0 else 11):
            hue, saturation, value = colorsys.rgb_to_hsv(*images[0, :, y, x].tolist())
            value = min(1.0, value + PUBLISHED[size][severity - 1])
            expected = colorsys.hsv_to_rgb(hue, saturation, value)
            np.testing.assert_allclose(found[:, y, x], expected, atol=1e-5)


def test_grey_images_have_the_constant_added() -> None:
    images = torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(brightness(images, 4, NO_KEYS), (images + 0.2).clamp(max=1))


def test_a_grey_image_in_three_channels_is_treated_as_in_one() -> None:
    images = torch.rand(2, 1, 8, 8)
    thrice = brightness(images.expand(2, 3, 8, 8), 2, NO_KEYS)
    assert torch.equal(thrice, brightness(images, 2, NO_KEYS).expand(2, 3, 8, 8))

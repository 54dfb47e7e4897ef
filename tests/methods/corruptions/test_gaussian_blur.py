"""Mirrors auditkit/methods/corruptions/gaussian_blur.py."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from auditkit.methods.corruptions.gaussian_blur import gaussian_blur

NO_KEYS = np.zeros(1, dtype=np.uint64)
PUBLISHED = {
    32: [0.4, 0.6, 0.7, 0.8, 1],
    64: [0.5, 0.75, 1, 1.25, 1.5],
    224: [1, 2, 3, 4, 6],
}


@pytest.mark.parametrize(("size", "shape"), [(32, (32, 32)), (64, (32, 128)), (224, (224, 224))])
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_equals_scipy(size: int, shape: tuple[int, int], severity: int) -> None:
    images = torch.rand(1, 2, *shape, generator=torch.Generator().manual_seed(severity))
    found = gaussian_blur(images, severity, NO_KEYS)[0].numpy()
    sigma = PUBLISHED[size][severity - 1]
    for channel in range(2):
        image = images[0, channel].numpy().astype(np.float64)
        expected = ndimage.gaussian_filter(image, sigma, mode="nearest", truncate=4)
        np.testing.assert_allclose(found[channel], expected, atol=2e-6)


def test_equals_the_definition_pixel_by_pixel() -> None:
    image = torch.rand(1, 1, 8, 9, generator=torch.Generator().manual_seed(0))
    found = gaussian_blur(image, 5, NO_KEYS)[0, 0]
    reach = range(-4, 5)
    total = sum(math.exp(-(i * i + j * j) / 2) for i in reach for j in reach)
    for y in range(8):
        for x in range(9):
            expected = sum(
                math.exp(-(i * i + j * j) / 2)
                * float(image[0, 0, min(max(y + i, 0), 7), min(max(x + j, 0), 8)])
                for i in reach
                for j in reach
            )
            assert float(found[y, x]) == pytest.approx(expected / total, abs=1e-6)

"""Mirrors auditkit/methods/corruptions/defocus_blur.py."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from auditkit.methods.corruptions.defocus_blur import RADIUS, SOFTENING, defocus_blur, disk

NO_KEYS = np.zeros(2, dtype=np.uint64)
PUBLISHED = {  # radius of the disk and standard deviation of its softening
    32: [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)],
    64: [(0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)],
    224: [(3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)],
}


def mirrored(i: int, size: int) -> int:
    """Fold an index back at the border without repeating the border pixel."""
    if size == 1:
        return 0
    while not 0 <= i < size:
        i = -i if i < 0 else 2 * (size - 1) - i
    return i


def published_kernel(radius: float, softening: float) -> np.ndarray:
    """The published disk by plain loops: threshold, normalise, blur with 3 or 5 taps."""
    reach, taps = (8, 1) if radius <= 8 else (int(radius), 2)
    size = 2 * reach + 1
    sharp = np.zeros((size, size))
    for y in range(size):
        for x in range(size):
            sharp[y, x] = (x - reach) ** 2 + (y - reach) ** 2 <= radius**2
    sharp /= sharp.sum()
    bell = [math.exp(-(k * k) / (2 * softening**2)) for k in range(-taps, taps + 1)]
    bell = [one / sum(bell) for one in bell]
    soft = np.zeros_like(sharp)
    for y in range(size):
        for x in range(size):
            for dy in range(-taps, taps + 1):
                for dx in range(-taps, taps + 1):
                    seen = sharp[mirrored(y + dy, size), mirrored(x + dx, size)]
                    soft[y, x] += bell[dy + taps] * bell[dx + taps] * seen
    return soft


def slowly_blurred(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    height, width = image.shape
    reach = len(kernel) // 2
    blurred = np.zeros_like(image)
    for y in range(height):
        for x in range(width):
            for dy in range(-reach, reach + 1):
                for dx in range(-reach, reach + 1):
                    seen = image[mirrored(y + dy, height), mirrored(x + dx, width)]
                    blurred[y, x] += kernel[dy + reach, dx + reach] * seen
    return blurred


@pytest.mark.parametrize("severity", [1, 3, 4, 5])
@pytest.mark.parametrize("shape", [(8, 8), (5, 9), (1, 1)])
def test_equals_the_published_definition_by_plain_loops(
    severity: int, shape: tuple[int, int]
) -> None:
    images = torch.rand(2, 1, *shape, generator=torch.Generator().manual_seed(severity))
    kernel = published_kernel(*PUBLISHED[32][severity - 1])
    blurred = defocus_blur(images, severity, NO_KEYS)
    for image, found in zip(images[:, 0], blurred[:, 0], strict=True):
        np.testing.assert_allclose(found, slowly_blurred(image.numpy(), kernel), atol=1e-6)


@pytest.mark.parametrize("size", [32, 64, 224])
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_equals_scipy_with_the_published_kernel(size: int, severity: int) -> None:
    image = torch.rand(1, 2, size, size, generator=torch.Generator().manual_seed(severity))
    kernel = published_kernel(*PUBLISHED[size][severity - 1])
    found = defocus_blur(image, severity, NO_KEYS[:1])[0]
    for channel in range(2):
        expected = ndimage.correlate(image[0, channel].numpy(), kernel, mode="mirror")
        np.testing.assert_allclose(found[channel], expected, atol=1e-5)


def test_the_constants_are_the_published_ones() -> None:
    for size, pairs in PUBLISHED.items():
        assert list(zip(RADIUS[size], SOFTENING[size], strict=True)) == pairs


@pytest.mark.parametrize("size", [32, 64, 224])
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_the_filter_keeps_the_light_unless_it_touches_its_grid(size: int, severity: int) -> None:
    kernel = disk(*PUBLISHED[size][severity - 1])
    touches = size == 224 and severity > 3
    assert kernel.sum() == pytest.approx(1.012 if touches else 1, abs=2e-3 if touches else 1e-12)
    np.testing.assert_allclose(kernel, kernel.T, atol=1e-15)
    np.testing.assert_allclose(kernel, kernel[::-1], atol=1e-15)


def test_an_interpolated_radius_has_a_whole_grid() -> None:
    assert disk(8.7, 0.5).shape == (19, 19)
    assert disk(7.3, 0.5).shape == (17, 17)

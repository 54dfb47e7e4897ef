"""Mirrors auditkit/methods/corruptions/snow.py."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from auditkit.methods.corruptions.snow import snow
from auditkit.randomness import generator
from tests.methods.corruptions.test_motion_blur import by_definition
from tests.methods.corruptions.test_zoom_blur import clipped_zoom

PUBLISHED = {  # mean, spread, zoom, threshold, radius, sigma, share of the picture
    32: [
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ],
    64: [
        (0.1, 0.2, 1, 0.6, 8, 3, 0.8),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.8),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.7),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.65),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.6),
    ],
    224: [
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ],
}
KEY = np.array([11], dtype=np.uint64)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [32, 64, 224])
@pytest.mark.parametrize("severity", [1, 3, 4, 5])
def test_equals_the_published_definition_on_the_same_noise(
    size: int, severity: int, channels: int
) -> None:
    mean, spread, zoom, threshold, radius, sigma, kept = PUBLISHED[size][severity - 1]
    images = torch.rand(1, channels, size, size, generator=torch.Generator().manual_seed(severity))
    rng = generator(KEY[0])
    n_read = math.ceil(size / zoom)  # the rest of the noise is cut off by the zoom
    start = (size - n_read) // 2
    noise = np.zeros((size, size))
    noise[start : start + n_read, start : start + n_read] = rng.standard_normal(
        (n_read, n_read), dtype=np.float32
    )
    layer = clipped_zoom(mean + spread * noise, zoom)
    layer[layer < threshold] = 0
    layer = by_definition(np.clip(layer, 0, 1), radius, sigma, rng.uniform(-135, -45))
    x = images[0].numpy().astype(np.float64)
    grey = np.tensordot([0.299, 0.587, 0.114], x, 1)[None] if channels == 3 else x
    x = kept * x + (1 - kept) * np.maximum(x, grey * 1.5 + 0.5)
    expected = np.clip(x + layer + np.rot90(layer, 2), 0, 1)
    found = snow(images, severity, KEY)[0].numpy()
    # A flake whose noise lies within rounding of the threshold may be there or not.
    wrong = np.abs(found - expected) > 1e-5
    assert wrong.mean() < 1e-3

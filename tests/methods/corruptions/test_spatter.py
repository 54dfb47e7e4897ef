"""Mirrors auditkit/methods/corruptions/spatter.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from auditkit.methods.corruptions._drops import relief
from auditkit.methods.corruptions.spatter import spatter
from auditkit.randomness import generator

PUBLISHED = {  # mean, spread, sigma, threshold, strength, mud
    32: [
        (0.62, 0.1, 0.7, 0.7, 0.5, 0),
        (0.65, 0.1, 0.8, 0.7, 0.5, 0),
        (0.65, 0.3, 1, 0.69, 0.5, 0),
        (0.65, 0.1, 0.7, 0.69, 0.6, 1),
        (0.65, 0.1, 0.5, 0.68, 0.6, 1),
    ],
    224: [
        (0.65, 0.3, 4, 0.69, 0.6, 0),
        (0.65, 0.3, 3, 0.68, 0.6, 0),
        (0.65, 0.3, 2, 0.68, 0.5, 0),
        (0.65, 0.3, 1, 0.65, 1.5, 1),
        (0.67, 0.4, 1, 0.65, 1.5, 1),
    ],
}
KEY = np.array([6], dtype=np.uint64)


@pytest.mark.parametrize("size", PUBLISHED)
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_equals_the_published_definition_on_the_same_noise(size: int, severity: int) -> None:
    mean, spread, sigma, threshold, strength, mud = PUBLISHED[size][severity - 1]
    images = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(severity))
    x = images[0].numpy().astype(np.float64)
    noise = generator(KEY[0]).standard_normal((size, size), dtype=np.float32)
    liquid = ndimage.gaussian_filter(
        mean + spread * noise.astype(np.float64), sigma, mode="nearest"
    )
    liquid[liquid < threshold] = 0
    if mud:
        m = ndimage.gaussian_filter((liquid > 0).astype(np.float64), strength, mode="nearest")
        m[m < 0.8] = 0
        colour = np.array([63, 42, 20])[:, None, None] / 255
        expected = x * (1 - m) + colour * m
    else:
        levels = (liquid * 255).astype(np.uint8)
        m = levels * relief(levels[None])[0].astype(np.float64)
        m *= strength / max(m.max(), 1e-9)
        expected = x + m * np.array([175, 238, 238])[:, None, None] / 255
    found = spatter(images, severity, KEY)[0].numpy()
    wrong = np.abs(found - np.clip(expected, 0, 1)) > 1e-5
    assert wrong.mean() < 5e-3  # where a level or the threshold is within rounding
    assert np.abs(found - x).max() > 0.1


def test_a_grey_image_gets_the_lightness_of_water_and_mud() -> None:
    grey = torch.full((1, 1, 64, 64), 0.5)
    water, mud = (spatter(grey, severity, KEY) for severity in (2, 5))
    assert float(water.min()) == 0.5
    assert float(mud.max()) == 0.5
    assert float(mud.min()) == pytest.approx((0.299 * 63 + 0.587 * 42 + 0.114 * 20) / 255, abs=1e-2)

"""Mirrors auditkit/methods/corruptions/motion_blur.py."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from auditkit.methods.corruptions.motion_blur import motion_blur
from auditkit.randomness import generator

PUBLISHED = {  # radius, sigma
    32: [(6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)],
    64: [(10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)],
    224: [(10, 3), (15, 5), (15, 8), (15, 12), (20, 15)],
}


def by_definition(image: np.ndarray, radius: int, sigma: float, angle: float) -> np.ndarray:
    """Shift a whole image for every tap; what is shifted in repeats the border."""
    weights = [math.exp(-(k * k) / (2 * sigma * sigma)) for k in range(2 * radius + 1)]
    height, width = image.shape
    total = np.zeros_like(image, dtype=np.float64)
    for k, weight in enumerate(weights):
        down = math.ceil(k * math.sin(math.radians(angle)) - 0.5)
        along = math.ceil(k * math.cos(math.radians(angle)) - 0.5)
        rows = np.clip(np.arange(height) + down, 0, height - 1)
        columns = np.clip(np.arange(width) + along, 0, width - 1)
        total += weight / sum(weights) * image[np.ix_(rows, columns)]
    return total


@pytest.mark.parametrize(
    ("size", "shape"),
    [(32, (32, 32)), (32, (8, 8)), (64, (32, 128)), (224, (224, 224)), (32, (1, 1))],
)
@pytest.mark.parametrize("severity", [1, 3, 5])
def test_equals_shifts_of_the_whole_image(size: int, shape: tuple[int, int], severity: int) -> None:
    images = torch.rand(2, 1, *shape, generator=torch.Generator().manual_seed(severity))
    keys = np.array([5, 6], dtype=np.uint64)
    found = motion_blur(images, severity, keys)[:, 0].numpy()
    for i in range(2):
        angle = generator(keys[i]).uniform(-45, 45)
        expected = by_definition(images[i, 0].numpy(), *PUBLISHED[size][severity - 1], angle=angle)
        np.testing.assert_allclose(found[i], expected, atol=1e-5)


def test_angles_differ_between_inputs() -> None:
    dot = torch.zeros(4, 1, 33, 33)
    dot[:, :, 16, 16] = 1
    found = motion_blur(dot, 5, np.arange(4, dtype=np.uint64))
    assert all(not torch.equal(found[0], found[i]) for i in (1, 2, 3))
    torch.testing.assert_close(found.sum(dim=(1, 2, 3)), torch.ones(4))

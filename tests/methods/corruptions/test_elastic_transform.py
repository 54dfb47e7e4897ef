"""Mirrors auditkit/methods/corruptions/elastic_transform.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from auditkit.methods.corruptions.elastic_transform import elastic_transform
from auditkit.randomness import generator

PUBLISHED = {  # alpha, sigma, affine, each times the side; the side is 244 for 224 pixels
    (32, 32): [(0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05),
               (0.1, 0.03, 0.03)],
    (64, 64): [(0, 0, 0.08), (0.05, 0.3, 0.06), (0.1, 0.08, 0.06), (0.1, 0.03, 0.03),
               (0.16, 0.03, 0.02)],
    (224, 244): [(2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02),
                 (0.12, 0.01, 0.02)],
}  # fmt: skip


def affine(image: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Map the three points `before` (x, y) onto `after`; read linearly, mirrored at the border."""
    forward = np.linalg.solve(np.hstack([before, np.ones((3, 1))]), after).T  # (2, 3)
    backward = np.linalg.inv(np.vstack([forward, [0, 0, 1]]))
    height, width = image.shape
    y, x = np.mgrid[:height, :width]
    there = backward @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    read = ndimage.map_coordinates(image, [there[1], there[0]], order=1, mode="mirror")
    return read.reshape(image.shape)


@pytest.mark.parametrize(("size", "side"), PUBLISHED)
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_equals_the_published_definition_on_the_same_draws(
    size: int, side: int, severity: int
) -> None:
    alpha, sigma, moved = (side * one for one in PUBLISHED[size, side][severity - 1])
    images = torch.rand(1, 1, size, size, generator=torch.Generator().manual_seed(severity))
    rng = generator(4)
    middle, far = size // 2, size // 3
    before = np.array(
        [[middle + far, middle + far], [middle + far, middle - far], [middle - far, middle - far]]
    )
    expected = affine(
        images[0, 0].numpy().astype(np.float64), before, before + rng.uniform(-moved, moved, (3, 2))
    )
    if alpha > 0:
        dx, dy = (
            alpha
            * ndimage.gaussian_filter(one.astype(np.float64), sigma, mode="reflect", truncate=3)
            for one in rng.random((2, size, size), dtype=np.float32) * 2 - 1
        )
        y, x = np.mgrid[:size, :size]
        expected = ndimage.map_coordinates(expected, [y + dy, x + dx], order=1, mode="reflect")
    found = elastic_transform(images, severity, np.array([4], dtype=np.uint64))[0, 0]
    # White noise is the steepest picture there is: a position that is 5e-6 off shows.
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (5, 3), (8, 40)])
def test_small_and_long_images_are_changed_within_their_values(shape: tuple[int, int]) -> None:
    images = 0.2 + 0.5 * torch.rand(2, 2, *shape, generator=torch.Generator().manual_seed(0))
    for severity in (1, 2, 3, 4, 5):
        found = elastic_transform(images, severity, np.array([1, 2], dtype=np.uint64))
        assert found.shape == images.shape
        assert found.min() >= images.min() - 1e-6
        assert found.max() <= images.max() + 1e-6

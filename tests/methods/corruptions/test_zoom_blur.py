"""Mirrors auditkit/methods/corruptions/zoom_blur.py."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from auditkit.methods.corruptions.zoom_blur import zoom_blur, zoom_factors

NO_KEYS = np.zeros(1, dtype=np.uint64)
PUBLISHED = {  # end and step of np.arange
    32: [(1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)],
    224: [(1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)],
}
COUNTS = {32: [7, 12, 16, 21, 26], 224: [12, 16, 11, 13, 11]}


def clipped_zoom(image: np.ndarray, factor: float) -> np.ndarray:
    """The published function, for one plane of any shape."""
    height, width = image.shape
    rows, columns = math.ceil(height / factor), math.ceil(width / factor)
    top, left = (height - rows) // 2, (width - columns) // 2
    part = image[top : top + rows, left : left + columns]
    large = np.asarray(ndimage.zoom(part, factor, order=1))
    top, left = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
    return large[top : top + height, left : left + width]


@pytest.mark.parametrize(
    ("size", "shape"), [(32, (32, 32)), (32, (8, 9)), (32, (16, 64)), (224, (224, 224))]
)
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_equals_the_mean_of_enlarged_images(
    size: int, shape: tuple[int, int], severity: int
) -> None:
    image = torch.rand(1, 1, *shape, generator=torch.Generator().manual_seed(severity))
    plane = image[0, 0].numpy().astype(np.float64)
    factors = np.arange(1, *PUBLISHED[size][severity - 1])
    total = plane + sum(clipped_zoom(plane, factor) for factor in factors)
    found = zoom_blur(image, severity, NO_KEYS)[0, 0]
    np.testing.assert_allclose(found, total / (len(factors) + 1), atol=1e-5)


@pytest.mark.parametrize("size", [32, 224])
def test_rounding_gives_as_many_factors_as_published(size: int) -> None:
    counted = [len(zoom_factors(s, height=size, width=size)) for s in (1, 2, 3, 4, 5)]
    assert counted == COUNTS[size]

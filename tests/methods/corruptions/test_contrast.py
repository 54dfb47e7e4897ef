"""Mirrors auditkit/methods/corruptions/contrast.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auditkit.methods.corruptions.contrast import contrast

PUBLISHED = {
    32: [0.75, 0.5, 0.4, 0.3, 0.15],
    64: [0.4, 0.3, 0.2, 0.1, 0.05],
    224: [0.4, 0.3, 0.2, 0.1, 0.05],
}


@pytest.mark.parametrize("size", [32, 64, 224])
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_equals_the_published_definition(size: int, severity: int) -> None:
    images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(severity))
    found = contrast(images, severity, np.zeros(2, dtype=np.uint64)).numpy()
    for image, changed in zip(images.numpy().astype(np.float64), found, strict=True):
        for channel in range(3):
            mean = image[channel].mean()
            expected = (image[channel] - mean) * PUBLISHED[size][severity - 1] + mean
            np.testing.assert_allclose(changed[channel], expected, atol=1e-6)

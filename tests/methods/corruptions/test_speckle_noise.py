"""Mirrors auditkit/methods/corruptions/speckle_noise.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auditkit.methods.corruptions.speckle_noise import speckle_noise
from auditkit.randomness import generator

KEYS = np.array([3, 14, 159], dtype=np.uint64)
PUBLISHED = {  # the scale of np.random.normal in the published code
    32: [0.06, 0.1, 0.12, 0.16, 0.2],
    64: [0.15, 0.2, 0.25, 0.3, 0.35],
    224: [0.15, 0.2, 0.35, 0.45, 0.6],
}


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    ("shape", "size"),
    [((3, 32, 32), 32), ((1, 8, 8), 32), ((2, 64, 64), 64), ((1, 224, 224), 224)],
)
def test_equals_the_published_definition_on_the_same_noise(
    severity: int, shape: tuple[int, int, int], size: int
) -> None:
    images = torch.rand(3, *shape, generator=torch.Generator().manual_seed(0))
    noisy = speckle_noise(images, severity, KEYS).numpy()
    for i in range(3):
        noise = generator(KEYS[i]).standard_normal(shape, dtype=np.float32)
        expected = np.clip(images[i].numpy() * (1 + PUBLISHED[size][severity - 1] * noise), 0, 1)
        np.testing.assert_allclose(noisy[i], expected, atol=1e-6)


def test_has_the_published_spread_at_224_pixels() -> None:
    grey = torch.full((1, 3, 224, 224), 0.5)
    noise = speckle_noise(grey, 1, KEYS[:1]) - 0.5
    assert float(noise.std()) == pytest.approx(0.5 * 0.15, rel=0.01)
    assert abs(float(noise.mean())) < 4 * 0.5 * 0.15 / 388  # four standard errors
    assert not torch.equal(noise[0, 0], noise[0, 1])  # channels differ

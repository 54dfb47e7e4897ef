"""Mirrors auditkit/methods/corruptions/glass_blur.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from auditkit.methods.corruptions.glass_blur import glass_blur
from auditkit.randomness import generator

PUBLISHED = {  # sigma, reach, rounds
    32: [(0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)],
    64: [(0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)],
    224: [(0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)],
}


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    return np.stack([ndimage.gaussian_filter(one, sigma, mode="nearest") for one in image])


def by_the_published_loop(
    image: np.ndarray, sigma: float, reach: int, rounds: int, key: int
) -> np.ndarray:
    """The published triple loop on (h, w, c), with the tuple assignment that copies views."""
    x = blurred(image.astype(np.float64), sigma).transpose(1, 2, 0).copy()
    height, width = x.shape[:2]
    shape = (rounds, height - 2 * reach, width - 2 * reach, 2)
    drawn = iter(generator(key).integers(-reach, reach, size=shape, dtype=np.int8).reshape(-1, 2))
    for _ in range(rounds):
        for h in range(height - reach, reach, -1):
            for w in range(width - reach, reach, -1):
                dx, dy = (int(one) for one in next(drawn))
                x[h, w], x[h + dy, w + dx] = x[h + dy, w + dx], x[h, w]
    return np.clip(blurred(x.transpose(2, 0, 1), sigma), 0, 1)


@pytest.mark.parametrize(
    ("size", "shape", "severity"),
    [
        *((32, (3, 32, 32), severity) for severity in (1, 2, 3, 4, 5)),
        *((64, (2, 64, 64), severity) for severity in (3, 4, 5)),
        (32, (1, 16, 64), 4),
        (224, (3, 224, 224), 3),
        (224, (1, 112, 448), 5),
    ],
)
def test_equals_the_published_loop_on_the_same_draws(
    size: int, shape: tuple[int, int, int], severity: int
) -> None:
    images = torch.rand(1, *shape, generator=torch.Generator().manual_seed(severity))
    found = glass_blur(images, severity, np.array([7], dtype=np.uint64))[0].numpy()
    constants = PUBLISHED[size][severity - 1]
    # A grey image in an array (h, w, 1) is copied, too: an element is a view.
    expected = by_the_published_loop(images[0].numpy(), *constants, key=7)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_border_stays_where_nothing_is_scattered() -> None:
    images = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    found = glass_blur(images, 1, np.array([7], dtype=np.uint64))
    torch.testing.assert_close(found[..., :2, :], images[..., :2, :])
    assert not torch.equal(found, images)


def test_no_images_are_no_images() -> None:
    none = torch.zeros(0, 3, 32, 32)
    found = glass_blur(none, 3, np.zeros(0, dtype=np.uint64))
    assert found.shape == none.shape

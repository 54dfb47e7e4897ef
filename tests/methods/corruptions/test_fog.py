"""Mirrors auditkit/methods/corruptions/fog.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auditkit.methods.corruptions.fog import fog, plasma
from auditkit.randomness import generator

PUBLISHED = {  # amount, decay, side of the map
    32: ([(0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)], 32),
    64: ([(0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)], 64),
    224: ([(1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)], 256),
}


def diamond_square(draws: np.ndarray, side: int, decay: float) -> np.ndarray:
    """Point by point on a ring: squares, then upper edges, then left edges, scale by scale."""
    heights = {(0, 0): 0.0}
    drawn = iter(draws.astype(np.float64) * 2 - 1)
    step, wobble = side, 100.0

    def at(row: int, column: int) -> float:
        return heights[row % side, column % side]

    def mean(*places: tuple[int, int]) -> float:
        return sum(at(*place) for place in places) / 4 + wobble * wobble * next(drawn)

    while step >= 2:
        half = step // 2
        corners = [(r, c) for r in range(0, side, step) for c in range(0, side, step)]
        for r, c in corners:
            heights[r + half, c + half] = mean(
                (r, c), (r + step, c), (r, c + step), (r + step, c + step)
            )
        for r, c in corners:
            heights[r, c + half] = mean(
                (r + half, c + half), (r - half, c + half), (r, c), (r, c + step)
            )
        for r, c in corners:
            heights[r + half, c] = mean(
                (r + half, c + half), (r + half, c - half), (r, c), (r + step, c)
            )
        step, wobble = half, wobble / decay
    field = np.array([[heights[r, c] for c in range(side)] for r in range(side)])
    field -= field.min()
    return field / field.max()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("size", "severity"), [(32, 1), (32, 2), (32, 3), (32, 4), (32, 5), (64, 4), (224, 3)]
)
def test_equals_the_published_definition_on_the_same_draws(
    size: int, severity: int, channels: int
) -> None:
    constants, side = PUBLISHED[size]
    amount, decay = constants[severity - 1]
    images = torch.rand(1, channels, size, size, generator=torch.Generator().manual_seed(0))
    images *= 0.8  # so that the brightest value matters
    draws = generator(9).random(side * side - 1, dtype=np.float32)
    haze = diamond_square(draws, side, decay)[:size, :size]
    x = images[0].numpy().astype(np.float64)
    expected = np.clip((x + amount * haze) * x.max() / (x.max() + amount), 0, 1)
    found = fog(images, severity, np.array([9], dtype=np.uint64))[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_map_fills_the_unit_range() -> None:
    maps = plasma(generator(0).random((3, 63), dtype=np.float32), 8, 2.0)
    assert maps.shape == (3, 8, 8)
    assert maps.min(axis=(1, 2)).tolist() == [0, 0, 0]
    assert maps.max(axis=(1, 2)).tolist() == [1, 1, 1]


def test_a_black_image_stays_black() -> None:
    black = torch.zeros(1, 1, 8, 8)
    assert torch.equal(fog(black, 5, np.array([1], dtype=np.uint64)), black)

"""Mirrors auditkit/methods/ood/strange_images.py."""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from auditkit.methods.corruptions.catalogue import CORRUPTIONS
from auditkit.methods.ood.strange_images import (
    corrupted,
    gaussian_noise,
    made_to_fit,
    shuffled_pixels,
    uniform_noise,
)
from auditkit.randomness import keys_of

KEYS = keys_of(0, "test", [str(i) for i in range(30)])


def images() -> Tensor:
    return torch.rand(30, 3, 12, 10, generator=torch.Generator().manual_seed(0))


def test_noise_has_its_distribution() -> None:
    noise = uniform_noise(images(), KEYS)
    assert stats.kstest(noise.flatten().numpy(), "uniform").pvalue > 0.01
    normal = gaussian_noise(images(), KEYS).flatten().numpy()
    inside = normal[(normal > 0) & (normal < 1)]
    assert stats.kstest(inside, stats.truncnorm(-2, 2, 0.5, 0.25).cdf).pvalue > 0.01
    assert normal.min() == 0
    assert normal.max() == 1


def test_shuffling_keeps_every_pixel_with_its_channels() -> None:
    before, after = images(), shuffled_pixels(images(), KEYS)
    assert not torch.equal(before, after)
    for old, new in zip(before.flatten(2), after.flatten(2), strict=True):
        order_old, order_new = old[0].argsort(), new[0].argsort()
        torch.testing.assert_close(old[:, order_old], new[:, order_new])


def test_each_image_gets_one_corruption_of_its_own() -> None:
    changed = corrupted(images(), KEYS)
    every = {name: one(images(), 5, KEYS) for name, one in CORRUPTIONS.items()}
    drawn = set()
    for i in range(30):
        fits = [name for name, one in every.items() if torch.allclose(one[i], changed[i])]
        assert fits
        drawn.add(fits[0])
    assert len(drawn) > 2
    torch.testing.assert_close(corrupted(images()[5:9], KEYS[5:9]), changed[5:9])


def test_other_data_is_made_to_fit() -> None:
    grey = torch.full((2, 1, 4, 4), 0.25)
    assert made_to_fit(grey, (3, 8, 6)).unique().tolist() == [0.25]
    red = torch.zeros(1, 3, 4, 4)
    red[:, 0] = 1
    np.testing.assert_allclose(made_to_fit(red, (1, 4, 4)), 0.299, rtol=1e-6)

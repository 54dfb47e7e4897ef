"""Mirrors auditkit/methods/corruptions/shot_noise.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from auditkit.methods.corruptions.shot_noise import PHOTONS, shot_noise

KEYS = np.array([3, 14], dtype=np.uint64)
PUBLISHED = {
    32: [500, 250, 100, 75, 50],
    64: [250, 100, 50, 30, 15],
    224: [60, 25, 12, 5, 3],
}


@pytest.mark.parametrize(("size", "severity"), [(32, 1), (32, 5), (64, 3), (224, 3), (224, 5)])
@pytest.mark.parametrize("value", [0.1, 0.3, 128 / 255, 0.7])
def test_counts_photons_as_published(size: int, severity: int, value: float) -> None:
    """np.random.poisson(x * c) / c, held against the distribution, cut where it is clipped."""
    images = torch.full((1, 3, size, size), value)
    photons = PUBLISHED[size][severity - 1]
    counted = shot_noise(images, severity, KEYS[:1]).numpy().ravel() * photons
    np.testing.assert_allclose(counted, np.rint(counted), atol=1e-3)
    law = stats.poisson(photons * value)
    cuts = np.unique(law.ppf(np.linspace(0.1, 0.9, 9)))
    cuts = cuts[cuts < photons - 0.5]
    expected = np.diff(law.cdf(cuts), prepend=0, append=1)
    seen = np.bincount(np.searchsorted(cuts + 0.5, counted), minlength=len(cuts) + 1)
    assert stats.chisquare(seen, expected * len(counted)).pvalue > 1e-4


def test_the_constants_are_the_published_ones() -> None:
    assert {size: list(row) for size, row in PHOTONS.items()} == PUBLISHED


def test_black_stays_black_and_white_is_clipped() -> None:
    images = torch.zeros(1, 1, 32, 32)
    assert torch.equal(shot_noise(images, 5, KEYS[:1]), images)
    assert float(shot_noise(images + 1, 5, KEYS[:1]).max()) == 1

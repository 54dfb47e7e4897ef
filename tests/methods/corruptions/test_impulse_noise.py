"""Mirrors auditkit/methods/corruptions/impulse_noise.py."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from auditkit.methods.corruptions.impulse_noise import impulse_noise
from auditkit.randomness import generator

KEYS = np.array([3], dtype=np.uint64)
PUBLISHED = {
    32: [0.01, 0.02, 0.03, 0.05, 0.07],
    64: [0.01, 0.02, 0.05, 0.08, 0.14],
    224: [0.03, 0.06, 0.09, 0.17, 0.27],
}


@pytest.mark.parametrize("size", [32, 64, 224])
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_the_published_share_fails_half_to_white(size: int, severity: int) -> None:
    images = torch.full((1, 3, size, size), 0.4)
    noisy = impulse_noise(images, severity, KEYS).numpy().ravel()
    n, amount = len(noisy), PUBLISHED[size][severity - 1]
    assert set(np.unique(noisy)) == {0.0, np.float32(0.4), 1.0}
    assert stats.binomtest(int((noisy != np.float32(0.4)).sum()), n, amount).pvalue > 1e-3
    assert stats.binomtest(int((noisy == 1).sum()), n, amount / 2).pvalue > 1e-3


def test_equals_value_by_value_on_the_same_draws() -> None:
    images = torch.rand(1, 3, 9, 12, generator=torch.Generator().manual_seed(0))
    drawn = generator(KEYS[0]).random((3, 9, 12), dtype=np.float32)
    noisy = impulse_noise(images, 5, KEYS)[0].numpy()
    for place in np.ndindex(3, 9, 12):
        expected = float(images[0][place])
        if drawn[place] < 0.035:
            expected = 0.0
        elif drawn[place] >= 1 - 0.035:
            expected = 1.0
        assert noisy[place] == pytest.approx(expected, abs=1e-7)


def test_what_failed_stays_failed_at_higher_severities() -> None:
    images = torch.full((1, 1, 64, 64), 0.4)
    failed = [impulse_noise(images, severity, KEYS) != 0.4 for severity in (1, 2, 3, 4, 5)]
    for lower, higher in itertools.pairwise(failed):
        assert (higher | ~lower).all()
        assert higher.sum() > lower.sum()

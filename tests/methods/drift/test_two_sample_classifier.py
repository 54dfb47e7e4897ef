"""Mirrors auditkit/methods/drift/two_sample_classifier.py."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from auditkit.methods.drift.two_sample_classifier import classifier_test
from auditkit.types import Floats


def told(first: Floats, second: Floats, seed: int = 0) -> tuple[int, int, float]:
    return tuple(classifier_test(first, second, rng=np.random.default_rng(seed)))  # type: ignore[return-value]


def test_what_differs_is_told_apart_whether_in_place_or_in_spread() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4))
    for other in (rng.normal(3, 1, size=(120, 4)), rng.normal(0, 4, size=(120, 4))):
        right, n, p = told(x, other)
        assert n == 120
        assert right > 0.9 * n
        assert p < 1e-10


def test_p_is_the_binomial_one_of_guessing() -> None:
    rng = np.random.default_rng(1)
    right, n, p = told(rng.normal(size=(61, 3)), rng.normal(size=(75, 3)))
    assert n == 60  # 30 held out of 61 on either side
    assert p == pytest.approx(stats.binomtest(right, n, 0.5, alternative="greater").pvalue)


def test_what_it_is_asked_it_was_not_taught() -> None:
    """Noise in many columns is learned by heart, and does not help."""
    rng = np.random.default_rng(2)
    right, n, _ = told(rng.normal(size=(60, 200)), rng.normal(size=(60, 200)))
    assert right < 0.75 * n


@pytest.mark.slow
def test_alike_samples_alarm_no_more_often_than_said() -> None:
    alarms = 0
    for seed in range(500):
        rng = np.random.default_rng(seed)
        alarms += told(rng.normal(size=(60, 8)), rng.normal(size=(50, 8)), seed)[2] <= 0.05
    assert stats.binom.sf(alarms - 1, 500, 0.05) >= 0.01
    assert alarms > 0

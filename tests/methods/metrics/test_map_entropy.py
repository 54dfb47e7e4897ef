"""Mirrors auditkit/methods/metrics/map_entropy.py."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import entropy

from auditkit.methods.metrics.map_entropy import map_entropy


@pytest.mark.parametrize("seed", range(3))
def test_it_is_scipys_entropy_as_a_share_of_its_maximum(seed: int):
    scores = np.random.default_rng(seed).normal(size=17)
    assert map_entropy(scores) == pytest.approx(entropy(np.abs(scores), base=17))


@pytest.mark.parametrize(("scores", "value"), [([0, 5, 0], 0.0), ([-2, 2, 2], 1.0)])
def test_its_ends(scores: list[float], value: float):
    assert map_entropy(np.array(scores, dtype=float)) == pytest.approx(value)


@pytest.mark.parametrize("scores", [[], [1.0], [0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_without_scores_it_is_undefined(scores: list[float]):
    assert math.isnan(map_entropy(np.array(scores)))

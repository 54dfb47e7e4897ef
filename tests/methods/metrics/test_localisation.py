"""Localisation: all inside is 1, all outside 0, no information the region's share."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from auditkit.methods.metrics.localisation import relevance_mass, relevance_rank_accuracy

REGION = np.zeros((6, 6), dtype=bool)
REGION[1:3, 2:5] = True
BOTH = (relevance_mass, relevance_rank_accuracy)


@pytest.mark.parametrize("measure", BOTH)
def test_ends_of_the_scale(measure):
    assert measure(-2.0 * REGION, REGION) == 1.0
    assert measure(np.where(REGION, 0.0, 1.0), REGION) == 0.0
    assert measure(np.ones((6, 6)), REGION) == pytest.approx(REGION.mean())


@pytest.mark.parametrize("measure", BOTH)
def test_random_scores_get_the_share_of_the_region(measure):
    rng = np.random.default_rng(0)
    found = [measure(rng.random((6, 6)), REGION) for _ in range(2000)]
    assert np.mean(found) == pytest.approx(REGION.mean(), abs=0.01)


@pytest.mark.parametrize("measure", BOTH)
def test_nothing_to_say_is_undefined(measure):
    assert np.isnan(measure(np.zeros((6, 6)), REGION))
    assert np.isnan(measure(np.ones((6, 6)), np.zeros((6, 6), dtype=bool)))
    assert np.isnan(measure(np.ones((6, 6)), np.ones((6, 6), dtype=bool)))


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_they_equal_the_definitions_written_out(seed: int):
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((4, 5))
    relevant = rng.random((4, 5)) < 0.4
    if relevant.all() or not relevant.any():
        return
    inside = sum(abs(s) for s, r in zip(scores.ravel(), relevant.ravel(), strict=True) if r)
    assert relevance_mass(scores, relevant) == pytest.approx(inside / np.abs(scores).sum())
    top = np.argsort(-np.abs(scores).ravel())[: relevant.sum()]
    assert relevance_rank_accuracy(scores, relevant) == pytest.approx(relevant.ravel()[top].mean())

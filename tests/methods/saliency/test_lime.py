"""Mirrors auditkit/methods/saliency/lime.py."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.methods.saliency.lime import lime
from tests.methods.saliency.games import VALUES, glove_game, sum_game


def test_a_sum_over_units_gives_its_terms_but_for_the_ridge():
    found = lime(sum_game, len(VALUES), samples=2000, seed=0, batch_size=64)
    assert found.tolist() == pytest.approx(VALUES.tolist(), rel=0.05, abs=0.01)


def test_the_unit_without_effect_scores_least_and_the_decisive_one_most():
    found = np.abs(lime(glove_game, 4, samples=2000, seed=0, batch_size=64))
    assert found.argmax() == 0
    assert found.argmin() == 3


def test_draws_are_those_of_the_seed():
    first, same, other = (
        lime(glove_game, 4, samples=20, seed=seed, batch_size=20) for seed in (0, 0, 1)
    )
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)

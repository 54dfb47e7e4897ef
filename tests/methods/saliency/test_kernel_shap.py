"""Mirrors auditkit/methods/saliency/kernel_shap.py."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.methods.saliency.kernel_shap import kernel_shap
from tests.methods.saliency.games import VALUES, glove_game, sum_game


def test_a_sum_over_units_gives_its_terms():
    found = kernel_shap(sum_game, len(VALUES), samples=200, seed=0, batch_size=7)
    assert found.tolist() == pytest.approx(VALUES.tolist(), abs=1e-4)


def test_shapley_values_of_a_game_that_is_no_sum():
    """A left and one of two right gloves: 2/3, 1/6, 1/6; the fourth unit does nothing."""
    found = kernel_shap(glove_game, 4, samples=4000, seed=1, batch_size=500)
    assert found.tolist() == pytest.approx([2 / 3, 1 / 6, 1 / 6, 0], abs=0.05)


def test_draws_are_those_of_the_seed():
    first, same, other = (
        kernel_shap(glove_game, 4, samples=20, seed=seed, batch_size=20) for seed in (0, 0, 1)
    )
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)

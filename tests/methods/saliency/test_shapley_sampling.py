"""Mirrors auditkit/methods/saliency/shapley_sampling.py."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.methods.saliency.shapley_sampling import shapley_sampling
from auditkit.types import Bools, Floats
from tests.methods.saliency.games import VALUES, glove_game, sum_game


def test_a_sum_over_units_gives_its_terms_whatever_is_drawn():
    found = shapley_sampling(sum_game, len(VALUES), samples=1, seed=3, batch_size=2)
    assert found.tolist() == pytest.approx(VALUES.tolist(), abs=1e-12)


def test_shapley_values_of_a_game_that_is_no_sum():
    found = shapley_sampling(glove_game, 4, samples=20000, seed=1, batch_size=500)
    assert found.tolist() == pytest.approx([2 / 3, 1 / 6, 1 / 6, 0], abs=0.03)
    assert found.sum() == pytest.approx(1)
    assert found[3] == 0


def test_samples_bound_what_is_asked():
    asked: list[int] = []

    def counted(removed: Bools) -> Floats:
        asked.append(len(removed))
        return glove_game(removed)

    shapley_sampling(counted, 4, samples=17, seed=0, batch_size=3)
    assert sum(asked) == 15  # three orders of five sets
    assert max(asked) == 3
    assert np.isfinite(asked).all()

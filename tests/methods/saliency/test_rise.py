"""Mirrors auditkit/methods/saliency/rise.py."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.methods.saliency.rise import rise
from tests.methods.saliency.games import VALUES, sum_game


def test_a_sum_over_units_gives_half_of_its_terms():
    draws = np.random.default_rng(0).random((20000, len(VALUES)))
    assert rise(sum_game, draws=draws).tolist() == pytest.approx((VALUES / 2).tolist(), abs=0.06)


def test_every_set_weighs_the_same_where_all_are_asked():
    draws = np.array([[0.1, 0.1], [0.1, 0.9], [0.9, 0.1], [0.9, 0.9]])
    found = rise(lambda removed: (~removed).all(axis=1).astype(float), draws=draws)
    assert found.tolist() == [0.25, 0.25]

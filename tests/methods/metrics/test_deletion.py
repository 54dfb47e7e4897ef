"""Deletion removes everything exactly once, highest scores first, and integrates exactly."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from auditkit.methods.metrics.deletion import area_under, deletion_order, removals


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(-3, 3), max_size=20))
def test_order_is_by_score_and_ties_keep_their_place(scores: list[int]):
    order = deletion_order(np.array(scores, dtype=np.float64)).tolist()
    assert order == sorted(range(len(scores)), key=lambda i: (-scores[i], i))


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 30), st.integers(1, 12))
def test_removals_grow_evenly_from_none_to_all(seed: int, units: int, steps: int):
    order = np.random.default_rng(seed).permutation(units)
    gone = removals(order, steps)
    assert gone.shape == (steps + 1, units)
    assert not gone[0].any()
    assert gone[-1].all()
    for step, row in enumerate(gone):
        count = row.sum()
        assert abs(count - units * step / steps) <= 0.5
        assert set(np.flatnonzero(row)) == set(order[:count])  # the first of the order


def test_area_of_a_line_is_its_middle():
    x = np.linspace(0, 1, 11)
    assert np.allclose(area_under(np.stack([1 - x, x**2])), [0.5, 1 / 3 + 1 / 600])

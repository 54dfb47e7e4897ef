"""Mirrors auditkit/methods/concepts/vectors.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit.methods.concepts.vectors import concept_vector, tells, towards


@given(seed=st.integers(0, 99))
def test_a_shift_along_a_direction_is_found(seed: int) -> None:
    """However inputs differ among each other: pairs hide nothing."""
    rng = np.random.default_rng(seed)
    shift = rng.normal(0, 1, 8)
    absent = 50 * rng.normal(0, 1, (40, 8))
    present = absent + shift + 0.05 * rng.normal(0, 1, (40, 8))
    found = concept_vector(present, absent)
    assert np.linalg.norm(found) == pytest.approx(1)
    assert tells(found, present, absent).all()
    assert not tells(found, absent, present).any()
    assert found @ shift > 0


def test_what_does_not_go_with_the_concept_is_left_out() -> None:
    rng = np.random.default_rng(0)
    absent = rng.normal(0, 1, (200, 3))
    change = np.stack([np.full(200, 1.0), rng.normal(0, 5, 200), np.zeros(200)], axis=1)
    found = concept_vector(absent + change, absent)
    assert found[0] > 0.99
    assert abs(found[1]) < 0.1
    assert found[2] == 0


def test_units_of_the_numbers_do_not_matter() -> None:
    """In other units the direction has other numbers and tells the same pairs."""
    rng = np.random.default_rng(0)
    absent = rng.normal(0, 1, (60, 3))
    present = absent + rng.normal([1, 0.5, 0], 1, (60, 3))
    units = np.array([1.0, 100.0, 0.01])
    plain, scaled = concept_vector(present, absent), concept_vector(present * units, absent * units)
    wanted = plain / units
    assert scaled == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-6)


def test_without_any_difference_there_is_no_direction() -> None:
    same = np.ones((4, 3))
    assert concept_vector(same, same).tolist() == [0, 0, 0]
    assert (tells(np.zeros(3), same, same) == 0.5).all()


def test_pairs_that_differ_as_much_one_way_as_the_other_have_no_direction() -> None:
    absent = np.zeros((2, 3))
    present = np.array([[1.0, 0.0, 2.0], [-1.0, 0.0, -2.0]])
    assert concept_vector(present, absent).tolist() == [0.0, 0.0, 0.0]


def test_scores_rise_towards_or_not_or_have_no_slope() -> None:
    slopes = np.array([[1.0, 5.0], [-1.0, 5.0], [0.0, 5.0]])
    found = towards(slopes, np.array([1.0, 0.0]))
    assert found[:2].tolist() == [1.0, 0.0]
    assert np.isnan(found[2])

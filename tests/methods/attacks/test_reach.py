"""Mirrors auditkit/methods/attacks/reach.py."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from auditkit.data.schema import Feature, Schema
from auditkit.methods.attacks.reach import Reach, changed_cells, distances, permitted
from auditkit.randomness import keys_of
from tests.methods.attacks.tables import NAN, linear_table, numbers

SCHEMA = linear_table(0).schema
ROW = np.array([[40, 42, 1.0, -1.0, 0, 1]], dtype=np.float32)


def ends(schema: Schema, row: list[float], spread: float) -> list[tuple[float, float]]:
    reach = Reach.of(schema, torch.tensor([row]), spread=spread)
    return list(zip(reach.low[0].tolist(), reach.high[0].tolist(), strict=True))


def test_intervals_of_numbers() -> None:
    """Half of 12.3 is 6 whole hours; a range ends an interval, but never leaves a value out."""
    found = ends(SCHEMA, [40, 42, 0.5, -1.0, 0, 1], 0.5)
    assert found[0] == (40, 40)  # immutable
    assert found[1] == (36, 48)
    assert found[2] == (0, 1.5)
    assert found[3] == (-1.25, -0.75)
    assert ends(SCHEMA, [40, 97, 9.5, -1.0, 0, 1], 0.5)[1:3] == [(91, 99), (8.5, 9.5)]
    assert ends(SCHEMA, [40, 120, 1, -1.0, 0, 1], 0.5)[1] == (114, 120)  # beyond the training range


def test_an_integer_column_may_hold_another_number() -> None:
    """It stays, or becomes whole; where no whole number is near, it cannot move."""
    assert ends(numbers(1, integer=True), [2.5], 0.6) == [(2, 3)]
    reach = Reach.of(numbers(1, integer=True), torch.tensor([[2.5]]), spread=0.4)
    assert not reach.movable.any()
    assert reach.low.item() == reach.high.item() == 2.5


def test_missing_values_and_fixed_columns_do_not_move() -> None:
    row = torch.tensor([[40, 42, 1.0, NAN, NAN, 1]])
    reach = Reach.of(SCHEMA, row, spread=1.0, fixed=["home"])
    assert reach.movable.tolist() == [[False, True, True, False, False, False]]
    assert reach.mutable.tolist() == [False, True, True, True, True, False]
    assert not Reach.of(SCHEMA, row, spread=1.0, categories=False).mutable[4]


@given(value=st.floats(-10, 10, width=32), spread=st.floats(1e-3, 3))
def test_ends_lie_within_the_exact_interval(value: float, spread: float) -> None:
    """In float64, although they are float32, and not far from its ends."""
    ((low, high),) = ends(numbers(1), [value], spread)
    least, most = max(value - spread, -10), min(value + spread, 10)
    assert least <= low <= least + 1e-6
    assert most - 1e-6 <= high <= most
    assert low <= value <= high


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (0, 41),  # immutable
        (1, 49),  # farther than 6.15
        (1, 42.5),  # not whole
        (1, NAN),  # made missing
        (2, -0.1),  # below the range
        (2, 2.01),  # too far
        (4, 3),  # no category
        (4, 0.5),
        (4, -1),
        (4, NAN),
        (5, np.inf),
    ],
)
def test_what_is_not_permitted(column: int, value: float) -> None:
    after = ROW.copy()
    after[0, column] = value
    assert permitted(SCHEMA, ROW, ROW, spread=0.5).all()
    assert not permitted(SCHEMA, ROW, after, spread=0.5).any()


def test_what_is_permitted() -> None:
    after = np.array([[40, 36, 2.0, -0.75, 2, 0]], dtype=np.float32)
    assert permitted(SCHEMA, ROW, after, spread=0.5).all()
    assert not permitted(SCHEMA, ROW, after, spread=0.5, categories=False).any()
    assert not permitted(SCHEMA, ROW, after, spread=0.5, fixed=["hours"]).any()
    both = np.concatenate([ROW, ROW]), np.concatenate([after, after])
    assert permitted(SCHEMA, *both, spread=np.array([0.4, 0.5])).tolist() == [False, True]
    missing = np.where(np.arange(6) == 3, NAN, ROW).astype(np.float32)
    assert permitted(SCHEMA, missing, missing, spread=0.5).all()
    assert not permitted(SCHEMA, missing, ROW, spread=0.5).any()  # nothing is invented
    unknown = np.where(np.arange(6) == 4, NAN, ROW).astype(np.float32)
    assert not permitted(SCHEMA, unknown, ROW, spread=0.5).any()
    outside = np.array([[40, 120, 1.0, -1.0, 0, 1]], dtype=np.float32)
    nearer = outside - np.array([[0, 3, 0, 0, 0, 0]], dtype=np.float32)
    assert permitted(SCHEMA, outside, nearer, spread=0.5).all()
    assert not permitted(SCHEMA, outside, outside + np.eye(6)[1], spread=0.5).any()


@given(seed=st.integers(0, 99), spread=st.floats(0.05, 2), categories=st.booleans())
def test_random_rows_are_permitted(seed: int, spread: float, categories: bool) -> None:
    subject = linear_table(seed % 7)
    reach = Reach.of(subject.schema, subject.rows, spread=spread, categories=categories)
    keys, before = keys_of(seed, "rows", subject.data.ids), subject.rows.numpy()
    few = [reach.drawn_few(keys, count).numpy() for count in (1, 2, 3)]
    for after in (reach.drawn(keys).numpy(), reach.drawn(keys, corners=True).numpy(), *few):
        assert permitted(subject.schema, before, after, spread=spread, categories=categories).all()
    for count, after in zip((1, 2, 3), few, strict=True):
        assert (changed_cells(before, after).sum(axis=1) <= count).all()
    for fewer, more in pairwise(few):  # the first cells are the same
        cells = changed_cells(before, fewer)
        assert np.array_equal(more[cells], fewer[cells])


def test_random_rows_reach_everywhere() -> None:
    """Every other category is drawn, and numbers from end to end; a category always changes."""
    rows = torch.from_numpy(np.repeat(ROW, 400, axis=0))
    reach = Reach.of(SCHEMA, rows, spread=0.5)
    drawn = reach.drawn(keys_of(0, "rows", [str(i) for i in range(400)]))
    assert set(drawn[:, 4].tolist()) == {1, 2}
    assert set(drawn[:, 5].tolist()) == {0}
    assert set(drawn[:, 1].tolist()) == set(range(36, 49))
    assert drawn[:, 2].min() < 0.1
    assert drawn[:, 2].max() > 1.9


def test_nearest_rounds_and_stops_at_the_ends() -> None:
    reach = Reach.of(SCHEMA, torch.from_numpy(ROW), spread=0.5)
    wild = torch.tensor([[99.0, 44.4, 7.0, -9.0, 1.0, 0.0]])
    assert reach.nearest(wild).tolist() == [[99.0, 44.0, 2.0, -1.25, 1.0, 0.0]]
    free = torch.tensor([[False, True, False, False, False, False]])
    assert reach.nearest(wild, free).tolist() == [[99.0, 44.0, 7.0, -9.0, 1.0, 0.0]]


def test_distances_are_in_training_standard_deviations() -> None:
    after = ROW + np.array([[0, 0, 1.0, -0.25, 1, 0]], dtype=np.float32)
    assert distances(SCHEMA, ROW, after)[0] == pytest.approx([0, 0, 0.5, 0.5, 0, 0])


def test_without_a_range_only_the_spread_counts() -> None:
    schema = Schema((replace(numbers(1).features[0], low=None, high=None),))
    assert ends(schema, [50.0], 2.0) == [(48.0, 52.0)]
    assert permitted(schema, np.array([[50.0]]), np.array([[52.0]]), spread=2.0).all()


def test_a_single_category_has_no_other() -> None:
    schema = Schema((Feature(name="only", kind="categorical", categories=("one",)),))
    assert not Reach.of(schema, torch.zeros(1, 1), spread=1.0).movable.any()

"""Mirrors auditkit/methods/saliency/counterfactual.py."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit.methods.saliency.counterfactual import (
    Margins,
    prefixes,
    pruned,
    small_set,
    smallest_square,
    squares,
)
from auditkit.types import Bools, Floats

UNITS = 6


def linear(worth: Floats, bias: float) -> Margins:
    """Every part adds its worth to the margin while it is there."""
    return lambda removed: bias + (~removed) @ worth


def arbitrary(seed: int) -> Margins:
    """Some margin for every set, without any structure; the whole input is not flipped."""
    table = np.random.default_rng(seed).normal(0.7, 1.0, 2**UNITS)
    table[0] = 1.0
    return lambda removed: table[removed @ (1 << np.arange(UNITS))]


def every_set(units: int) -> Bools:
    return (np.arange(2**units)[:, None] >> np.arange(units)) % 2 == 1


def everything(units: int = UNITS) -> Bools:
    return np.ones(units, dtype=np.bool_)


@given(seed=st.integers(0, 999))
def test_a_linear_decision_loses_its_most_worthy_parts(seed: int) -> None:
    """The fewest parts are those of highest worth, as many as outweigh the margin."""
    rng = np.random.default_rng(seed)
    worth = rng.normal(0, 1, 10)
    whole = rng.uniform(0.1, 3)
    margins = linear(worth, whole - worth.sum())
    found = small_set(margins, everything(10), 10)
    left = whole - np.cumsum(np.sort(worth)[::-1])
    if not (left < 0).any():
        assert found is None
        return
    assert found is not None
    size = int((left < 0).argmax()) + 1
    assert found.sum() == size
    assert set(np.flatnonzero(found)) == set(np.argsort(-worth)[:size])


@given(seed=st.integers(0, 999))
def test_no_part_of_a_set_can_be_put_back(seed: int) -> None:
    margins = arbitrary(seed)
    found = small_set(margins, everything(), UNITS)
    sets = every_set(UNITS)
    flips = sets[margins(sets) < 0]
    if found is None:
        return  # greed went past every flip; the whole input without all parts did not flip
    assert margins(found[None])[0] < 0
    for j in np.flatnonzero(found):
        if found.sum() > 1:
            fewer = found.copy()
            fewer[j] = False
            assert margins(fewer[None])[0] >= 0
    if flips.sum(axis=1).min() == 1:
        assert found.sum() == 1, "one part that flips alone is found"


def test_what_greed_took_too_early_is_put_back() -> None:
    """The best single part is a decoy: the other two flip the decision without it."""
    table = {(): 3.0, (0,): 1.0, (1,): 2.0, (2,): 2.5, (0, 1): 0.5, (0, 2): 0.9, (1, 2): -1.0}

    def margins(removed: Bools) -> Floats:
        sets = (tuple(np.flatnonzero(one).tolist()) for one in removed)
        return np.array([table.get(one, -2.0) for one in sets])

    found = small_set(margins, everything(3), 3)
    assert found is not None
    assert found.tolist() == [False, True, True]
    assert pruned(margins, everything(3)).tolist() == [False, True, True]


def test_parts_that_may_not_go_stay_and_the_size_is_kept() -> None:
    margins = linear(np.array([5.0, 2.0, 2.0, 0.1]), -6.0)
    some = np.array([False, True, True, True])
    found = small_set(margins, some, 4)
    assert found is not None
    assert found.tolist() == [False, True, True, False]
    assert small_set(margins, some, 1) is None
    assert small_set(margins, np.zeros(4, dtype=np.bool_), 4) is None


@given(seed=st.integers(0, 999))
def test_the_smallest_square_is_exact(seed: int) -> None:
    rng = np.random.default_rng(seed)
    worth = rng.normal(0.3, 1, 12)
    margins = linear(worth, float(rng.uniform(0.5, 4)) - worth.sum())
    found = smallest_square(margins, 3, 4, 9)
    by_hand: list[tuple[int, float]] = []
    for side, top, left in product((1, 2, 3), range(3), range(4)):
        if top + side > 3 or left + side > 4:
            continue
        cells = np.zeros((3, 4), dtype=np.bool_)
        cells[top : top + side, left : left + side] = True
        margin = float(margins(cells.reshape(1, 12))[0])
        if margin < 0:
            by_hand.append((side * side, margin))
    if not by_hand:
        assert found is None
        return
    assert found is not None
    assert (int(found.sum()), float(margins(found[None])[0])) == pytest.approx(min(by_hand))


def test_squares_are_all_there_and_bounded() -> None:
    assert len(squares(3, 4, 2)) == 6
    assert (squares(3, 4, 2).sum(axis=1) == 4).all()
    assert len(np.unique(squares(5, 5, 2), axis=0)) == 16
    flat = linear(np.ones(16), -12.5)  # four cells flip it
    found = smallest_square(flat, 4, 4, 4)
    assert found is not None
    assert found.sum() == 4
    assert smallest_square(flat, 4, 4, 3) is None


def test_prefixes_of_random_orders_are_random_sets() -> None:
    orders = np.random.default_rng(0).random((4000, 4)).argsort(axis=1)
    sets = prefixes(orders, 4, 3)
    assert sets.shape == (4000, 3, 4)
    assert (sets.sum(axis=2) == [1, 2, 3]).all()
    assert (sets[:, 1:] >= sets[:, :-1]).all()
    pairs = dict.fromkeys(combinations(range(4), 2), 0)
    for one in sets[:, 1]:
        pairs[tuple(np.flatnonzero(one).tolist())] += 1  # type: ignore[index]
    assert np.array(list(pairs.values())) == pytest.approx(4000 / 6, abs=110)

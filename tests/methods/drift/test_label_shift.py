"""Mirrors auditkit/methods/drift/label_shift.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from auditkit.methods.drift.label_shift import answers_p, confusion, label_shift
from auditkit.types import Ints

RATES = np.array([[0.8, 0.1, 0.2], [0.1, 0.7, 0.1], [0.1, 0.2, 0.7]])  # answer given class


def sample(seed: int, n: int, shares: list[float]) -> tuple[Ints, Ints]:
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, size=n, p=shares)
    answers = np.array([rng.choice(3, p=RATES[:, one]) for one in labels])
    return answers, labels


def test_rows_are_answers() -> None:
    cells = confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), classes=2)
    assert cells.tolist() == [[1, 1], [0, 1]]


def test_exact_counts_give_the_exact_mix() -> None:
    before, after = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])
    cells = np.round(RATES * before * 10_000).astype(int)
    answers = np.round(RATES @ after * 10_000).astype(int)
    found = label_shift(cells, answers, rng=np.random.default_rng(0))
    assert found is not None
    assert found.changes == pytest.approx([-0.3, 0.0, 0.3], abs=1e-9)
    assert (found.low < found.changes).all()
    assert (found.changes < found.high).all()


def test_a_class_that_does_not_occur_leaves_it_undefined() -> None:
    cells = np.array([[50, 0, 3], [2, 0, 4], [1, 0, 60]])
    assert label_shift(cells, np.array([3, 3, 3]), rng=np.random.default_rng(0)) is None
    always = np.array([[50, 50], [0, 0]])
    assert label_shift(always, np.array([9, 0]), rng=np.random.default_rng(0)) is None
    one_class = np.array([[7]])
    alone = label_shift(one_class, np.array([9]), rng=np.random.default_rng(0))
    assert alone is not None
    assert alone.changes.tolist() == [0.0]


def test_the_intervals_hold_for_all_classes_at_once() -> None:
    before, after = [0.4, 0.4, 0.2], [0.2, 0.4, 0.4]
    truth, missed = np.array(after) - before, 0
    for seed in range(60):
        cells = confusion(*sample(seed, 300, before), classes=3)
        answers = np.bincount(sample(10_000 + seed, 200, after)[0], minlength=3)
        found = label_shift(cells, answers, rng=np.random.default_rng(seed), replicates=400)
        assert found is not None
        missed += not ((found.low <= truth) & (truth <= found.high)).all()
    assert stats.binom.sf(missed - 1, 60, 0.05) >= 0.01


def test_the_p_value_is_that_of_chi_square_in_large_samples() -> None:
    first, second = np.array([300, 200, 100, 0]), np.array([60, 60, 30, 0])
    found = answers_p(first, second, permutations=20_000, rng=np.random.default_rng(0))
    peer: Any = stats.chi2_contingency(np.stack([first, second])[:, :3], correction=False)
    assert found == pytest.approx(peer.pvalue, abs=0.01)
    same = np.array([5, 0])
    assert answers_p(same, same, permutations=19, rng=np.random.default_rng(0)) == 1.0


@pytest.mark.slow
def test_alike_answers_alarm_no_more_often_than_said() -> None:
    alarms = 0
    for seed in range(500):
        rng = np.random.default_rng(seed)
        first, second = rng.multinomial(80, [0.6, 0.3, 0.1]), rng.multinomial(50, [0.6, 0.3, 0.1])
        alarms += answers_p(first, second, permutations=99, rng=rng) <= 0.05
    assert stats.binom.sf(alarms - 1, 500, 0.05) >= 0.01
    assert alarms > 0

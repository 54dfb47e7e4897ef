"""Mirrors auditkit/methods/metrics/selective.py."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from auditkit.methods.metrics.selective import (
    aurc,
    aurc_draws,
    best_aurc,
    coverage_at,
    errors_among,
    random_aurcs,
    ranking,
    worst_aurc,
)

steady = settings(deadline=None, derandomize=True)


def area_by_hand(wrong: list[bool]) -> float:
    """(1/n) sum over i of the share of errors among the i surest."""
    return sum(sum(wrong[:i]) / i for i in range(1, len(wrong) + 1)) / len(wrong)


@steady
@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_equals_the_definition_without_ties(wrong: list[bool]) -> None:
    scores = np.linspace(1, 0, len(wrong))
    assert aurc(ranking(scores, np.array(wrong))) == pytest.approx(area_by_hand(wrong))


@steady
@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=6))
def test_ties_count_as_the_mean_of_all_orders(cells: list[tuple[int, bool]]) -> None:
    scores, wrong = np.array([s for s, _ in cells]), np.array([w for _, w in cells])
    orders = [
        one for one in permutations(range(len(cells))) if (np.diff(scores[[*one]]) <= 0).all()
    ]
    mean = np.mean([area_by_hand(wrong[[*one]].tolist()) for one in orders])
    assert aurc(ranking(scores, wrong)) == pytest.approx(mean)


def test_all_scores_equal_is_leaving_out_at_random() -> None:
    wrong = np.arange(30) < 12
    assert aurc(ranking(np.ones(30), wrong)) == pytest.approx(0.4)


def test_best_and_worst_orders_have_closed_forms() -> None:
    n, wrong = 20_000, np.arange(20_000) < 5000
    rising = np.arange(n, dtype=float)
    assert aurc(ranking(rising, wrong)) == pytest.approx(best_aurc(0.25), abs=1e-3)
    assert aurc(ranking(-rising, wrong)) == pytest.approx(worst_aurc(0.25), abs=1e-3)
    assert best_aurc(0.25) == pytest.approx(0.25 + 0.75 * np.log(0.75))
    assert (best_aurc(0.0), best_aurc(1.0), worst_aurc(0.0), worst_aurc(1.0)) == (0, 1, 0, 1)


def test_random_orders_have_the_risk_of_all_inputs_on_average() -> None:
    rng = np.random.default_rng(0)
    table = ranking(rng.integers(0, 30, 200).astype(float), rng.random(200) < 0.3)
    drawn = random_aurcs(table, seed=0)
    assert drawn.mean() == pytest.approx(table.risk, abs=4 * drawn.std() / 2000**0.5)
    assert drawn.std() > 0.01


def test_draws_spread_like_resampled_inputs() -> None:
    rng = np.random.default_rng(1)
    scores = np.round(rng.random(80), 1)
    wrong = rng.random(80) > scores
    areas, risks = aurc_draws(ranking(scores, wrong), seed=0)
    rows = np.random.default_rng(7).integers(0, 80, size=(800, 80))
    slow = np.array([aurc(ranking(scores[one], wrong[one])) for one in rows])
    assert areas.mean() == pytest.approx(slow.mean(), abs=4 * slow.std() / 800**0.5)
    assert areas.std() == pytest.approx(slow.std(), rel=0.12)
    assert risks.mean() == pytest.approx(wrong.mean(), abs=0.01)


def test_errors_among_the_surest() -> None:
    table = ranking(np.array([0.9, 0.8, 0.8, 0.7]), np.array([False, True, False, True]))
    assert [errors_among(table, kept) for kept in (1, 2, 3, 4)] == [0, 0.5, 1, 2]


def test_coverage_at_a_risk_uses_whole_groups_of_equals() -> None:
    table = ranking(np.array([0.9, 0.8, 0.8, 0.7]), np.array([False, True, False, True]))
    found = coverage_at(table, 0.4)
    assert (found.coverage, found.threshold) == (0.75, 0.8), "1 of 3 is wrong, 2 of 4 is too many"
    assert coverage_at(table, 0.3).coverage == 0.25
    none = coverage_at(ranking(np.ones(40), np.ones(40, dtype=bool)), 0.05)
    assert (none.coverage, none.threshold, none.interval) == (0.0, None, (0.0, 0.0))


def test_coverage_that_is_said_to_be_safe_is_safe_and_the_interval_covers() -> None:
    """Errors have the probability 1 - score: accepting scores above t has the risk (1 - t) / 2."""
    rng, misses = np.random.default_rng(0), 0
    for _ in range(100):
        scores = rng.random(300)
        found = coverage_at(ranking(scores, rng.random(300) > scores), 0.1)
        assert found.interval.low <= found.coverage <= found.interval.high
        misses += not found.interval.low <= 0.2 <= found.interval.high
    assert stats.binom.sf(misses - 1, 100, 0.05) >= 0.01

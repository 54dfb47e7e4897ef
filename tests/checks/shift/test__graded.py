"""Mirrors auditkit/checks/shift/_graded.py."""

from __future__ import annotations

import math

import numpy as np
import pytest

from auditkit.checks.shift._graded import Fallen, mean_error, worst


def test_mean_error_is_the_mean_over_cells_and_draws_whole_inputs() -> None:
    rng = np.random.default_rng(0)
    hard = rng.random(400) < 0.3  # an input is wrong in every cell or in none
    cells = [~hard] * 25
    value, (low, high), method = mean_error(cells, seed=1, level=0.95)
    assert value == pytest.approx(hard.mean())
    assert method == "bootstrap"
    # As wide as that of 400 independent inputs, and five times wider than that of 400 * 25.
    half = 1.96 * math.sqrt(value * (1 - value) / 400)
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)


@pytest.mark.parametrize("right", [True, False])
def test_agreement_of_all_inputs_is_not_certainty(right: bool) -> None:
    cells = [np.full(5, right)] * 3
    value, (low, high), method = mean_error(cells, seed=1, level=0.95)
    assert value == (0.0 if right else 1.0)
    assert method == "clopper-pearson"
    unseen = 1 - 0.025 ** (1 / 5)
    assert (low, high) == pytest.approx((0, unseen) if right else (1 - unseen, 1))


def test_agreement_between_the_ends_leaves_room_on_both_sides() -> None:
    cells = [np.ones(10, dtype=bool), np.zeros(10, dtype=bool)]
    value, (low, high), _ = mean_error(cells, seed=1, level=0.95)
    unseen = 1 - 0.025 ** (1 / 10)
    assert value == 0.5
    assert (low, high) == pytest.approx((0.5 * (1 - unseen), 0.5 + 0.5 * unseen))


def test_the_worst_are_the_earliest_and_surest_each_input_once() -> None:
    def fallen(name: str, severity: int, confidence: float) -> Fallen:
        return Fallen(name, 0, "k", severity, 1, confidence)

    rows = [fallen("b", 2, 0.9), fallen("a", 1, 0.6), fallen("b", 1, 0.7), fallen("c", 3, 0.99)]
    assert [(one.id, one.severity) for one in worst(rows)] == [("b", 1), ("a", 1), ("c", 3)]
    assert len(worst([fallen(str(i), 1, 0.5) for i in range(20)])) == 6

"""Mirrors auditkit/checks/shift/_graded.py."""

from __future__ import annotations

import math

import numpy as np
import pytest

from auditkit.checks.shift._graded import Fallen, mean_error, paired_drop, worst
from auditkit.statistics import newcombe_paired


def test_newcombe_equals_a_published_example() -> None:
    """Airway hyper-responsiveness of 21 children before and after a transplant.

    1, 1, 7 and 12 children in the cells: -0.507 to -0.026 (Bentur et al., 2009, as worked out in
    Fagerland, Lydersen and Laake, 2014, Statistics in Medicine 33, 2850-2875).
    """
    low, high = newcombe_paired(1, 1, 7, 12)
    assert round(low, 3) == -0.507
    assert round(high, 3) == -0.026


@pytest.mark.parametrize("cells", [(14, 5, 0, 22), (80, 12, 3, 5), (30, 2, 9, 40), (9, 9, 9, 9)])
def test_newcombe_equals_its_formula_written_out(cells: tuple[int, int, int, int]) -> None:
    e, f, g, h = cells
    n, z = e + f + g + h, 1.959963984540054
    limits: list[tuple[float, float, float]] = []
    for count in (e + f, e + g):
        middle, root = 2 * count + z * z, z * math.sqrt(z * z + 4 * count * (1 - count / n))
        limits.append(
            (count / n, (middle - root) / 2 / (n + z * z), (middle + root) / 2 / (n + z * z))
        )
    (p1, l1, u1), (p2, l2, u2) = limits
    product = e * h - f * g
    corrected = max(product - n / 2, 0) if product > 0 else product
    phi = corrected / math.sqrt((e + f) * (g + h) * (e + g) * (f + h))
    below = (p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2
    above = (u1 - p1) ** 2 - 2 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2) ** 2
    expected = (p1 - p2 - math.sqrt(below), p1 - p2 + math.sqrt(above))
    assert newcombe_paired(*cells) == pytest.approx(expected)


def test_paired_drop_counts_who_was_lost_and_who_was_won() -> None:
    clean = np.array([True] * 8 + [False] * 4)
    changed = np.array([True] * 3 + [False] * 5 + [True] * 1 + [False] * 3)
    value, interval = paired_drop(clean, changed, level=0.9)
    assert value == pytest.approx((5 - 1) / 12)
    assert interval == newcombe_paired(3, 5, 1, 3, level=0.9)


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

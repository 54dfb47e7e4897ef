"""Mirrors auditkit/methods/attacks/hyperplane.py."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
import pytest
import torch
from scipy.optimize import linprog, minimize

from auditkit.methods.attacks.hyperplane import MEASURES, Measure, size_of, smallest_change


class Problem(NamedTuple):
    """A hyperplane and the bounds of a change in six numbers."""

    weights: np.ndarray
    low: np.ndarray
    high: np.ndarray
    needed: float


def problem(seed: int) -> Problem:
    rng = np.random.default_rng(seed)
    weights, low, high = rng.normal(size=6), -rng.uniform(0, 1, 6), rng.uniform(0, 1, 6)
    weights[seed % 6] *= seed % 3  # some numbers do not matter
    low[(seed + 1) % 6] *= seed % 2  # some have no room on one side
    share = rng.uniform(-0.9, 0.9)
    side = np.sign(share) * weights
    reach = np.maximum(side * low, side * high)
    return Problem(weights, low, high, share * float(reach.sum()))


def changed(norm: Measure, one: Problem) -> torch.Tensor:
    weights, low, high = (torch.tensor(part)[None] for part in one[:3])
    return smallest_change(
        norm, weights, torch.tensor([one.needed], dtype=torch.float64), low=low, high=high
    )


def least(norm: Measure, one: Problem) -> float:
    """The optimum as scipy finds it: quadratic, linear, or by trying all subsets."""
    weights, low, high, needed = one
    box, eye = list(zip(low, high, strict=True)), np.eye(6)
    if norm == "l2":
        equal = {"type": "eq", "fun": lambda x: x @ weights - needed}
        options = {"ftol": 1e-15, "maxiter": 500}
        found = minimize(
            lambda x: x @ x, np.zeros(6), jac=lambda x: 2 * x, bounds=box, constraints=[equal],
            options=options,
        )  # fmt: skip
        return found.fun**0.5
    if norm == "linf":
        sides = np.r_[np.c_[eye, -np.ones(6)], np.c_[-eye, -np.ones(6)]]
        return linprog(
            np.r_[np.zeros(6), 1], sides, np.zeros(12), np.r_[weights, 0][None], [needed],
            [*box, (0, None)],
        ).fun  # fmt: skip
    if norm == "l1":
        sides = [*((0, x) for x in high), *((0, -x) for x in low)]
        return linprog(np.ones(12), None, None, np.r_[weights, -weights][None], [needed], sides).fun
    gain = np.maximum(np.sign(needed) * weights * low, np.sign(needed) * weights * high)
    return next(
        k for k in range(7)
        if any(sum(gain[list(some)]) >= abs(needed) for some in combinations(range(6), k))
    )  # fmt: skip


@pytest.mark.parametrize("norm", MEASURES)
def test_no_optimiser_finds_a_smaller_change(norm: Measure) -> None:
    for seed in range(25):
        one = problem(seed)
        change = changed(norm, one)[0].numpy()
        assert change @ one.weights == pytest.approx(one.needed, abs=1e-9)
        assert (change >= one.low).all()
        assert (change <= one.high).all()
        size = float(size_of(norm, torch.tensor(change)[None]))
        assert size == pytest.approx(least(norm, one), abs=1e-5), seed


@pytest.mark.parametrize("norm", MEASURES)
def test_what_cannot_be_reached_is_approached(norm: Measure) -> None:
    one = problem(4)._replace(needed=1e3)
    best = np.maximum(one.weights * one.low, one.weights * one.high).sum()
    change = changed(norm, one)[0].numpy()
    assert change @ one.weights == pytest.approx(best)


@pytest.mark.parametrize("norm", MEASURES)
def test_nothing_is_changed_where_nothing_is_needed_or_nothing_helps(norm: Measure) -> None:
    flat, room = torch.zeros(1, 4), torch.ones(1, 4)
    for weights, needed in ((room, 0.0), (flat, 1.0)):
        change = smallest_change(norm, weights, torch.tensor([needed]), low=-room, high=room)
        assert torch.equal(change, flat.double())

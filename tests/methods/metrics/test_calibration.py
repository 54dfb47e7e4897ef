"""Mirrors auditkit/methods/metrics/calibration.py."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from auditkit.methods.metrics.calibration import (
    error_interval,
    errors_of_groups,
    null_errors,
    reliability,
)

steady = settings(deadline=None, derandomize=True)


def error_by_hand(confidence: list[float], correct: list[bool], bins: int) -> float:
    """Guo et al., 2017, equation 3, one bin and one input at a time; the last bin is closed."""
    total = 0.0
    for b in range(bins):
        low, high = b / bins, (b + 1) / bins
        members = [
            i for i, c in enumerate(confidence) if low <= c < high or (b == bins - 1 and c == 1)
        ]
        if members:
            accuracy = sum(correct[i] for i in members) / len(members)
            stated = sum(confidence[i] for i in members) / len(members)
            total += len(members) / len(confidence) * abs(accuracy - stated)
    return total


@steady
@given(
    st.lists(st.tuples(st.integers(0, 1000), st.booleans()), min_size=1, max_size=60),
    st.sampled_from([2, 8, 15, 16]),
)
def test_equals_the_definition(cells: list[tuple[int, bool]], bins: int) -> None:
    # Off the edges by construction, but for 0 and 1: there, i/bins*bins may round either way.
    confidence = [min(1.0, c / 1000 + 1e-5) if c else 0.0 for c, _ in cells]
    correct = [hit for _, hit in cells]
    table = reliability(np.array(confidence), np.array(correct), bins=bins)
    assert table.error == pytest.approx(error_by_hand(confidence, correct, bins))
    assert table.count.sum() == len(cells)
    assert table.hits.sum() == sum(correct)


def test_certainty_shares_the_last_bin() -> None:
    """Confidences .95 (right) and 1 (wrong) make one bin: |.5 - .975| = .475.

    A bin of its own for 1.0, as one library has it, would give (|1 - .95| + |0 - 1|) / 2 = .525.
    """
    table = reliability(np.array([0.95, 1.0]), np.array([True, False]))
    assert table.bin.tolist() == [14]
    assert table.error == pytest.approx(0.475)
    alone = [abs(1 - 0.95) / 2, abs(0 - 1.0) / 2]
    assert sum(alone) == pytest.approx(0.525)


def test_equals_torchmetrics_where_it_is_installed_but_for_certainty() -> None:
    peer = pytest.importorskip("torchmetrics.functional.classification")
    rng = np.random.default_rng(0)
    confidence, correct = rng.uniform(0.01, 0.99, 300).astype(np.float32), rng.random(300) < 0.6

    def both(confidence: np.ndarray, correct: np.ndarray) -> tuple[float, float]:
        """Ours and theirs; theirs is told how often the answer 1 is right."""
        theirs = peer.binary_calibration_error(
            torch.from_numpy(confidence), torch.from_numpy(correct).long(), n_bins=15
        )
        return reliability(confidence, correct).error, float(theirs)

    ours, theirs = both(confidence, correct)
    assert ours == pytest.approx(theirs, abs=1e-5)
    certain = np.array([0.95, 1.0], dtype=np.float32), np.array([True, False])
    assert both(*certain) == pytest.approx((0.475, 0.525))  # 1.0 has a bin of its own there


@pytest.mark.parametrize(("n", "observed"), [(100, 0.112), (1000, 0.034), (4000, 0.018)])
def test_chance_alone_shows_an_error(n: int, observed: float) -> None:
    """Ten-class softmax confidences; the observed values came from a similar, unrecorded set."""
    logits = np.random.default_rng(0).normal(scale=3, size=(n, 10))
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    null = null_errors(probs.max(axis=1), seed=0, simulations=400)
    assert null.mean() == pytest.approx(observed, rel=0.12)


def test_the_null_has_a_closed_form_for_many_inputs() -> None:
    """A bin's gap is then normal, and the mean of |N(0, s)| is s * sqrt(2 / pi)."""
    confidence = np.repeat([0.55, 0.75, 0.95], [2000, 3000, 5000])
    spread = np.sqrt(np.array([2000, 3000, 5000]) * [0.2475, 0.1875, 0.0475]) / 10_000
    null = null_errors(confidence, seed=0, simulations=1000)
    assert null.mean() == pytest.approx(spread.sum() * np.sqrt(2 / np.pi), rel=0.05)


def test_the_null_equals_a_plain_simulation() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.beta(5, 1, size=150)
    slow = np.array(
        [reliability(confidence, rng.random(150) < confidence).error for _ in range(600)]
    )
    fast = null_errors(confidence, seed=1, simulations=600)
    assert np.sort(fast) == pytest.approx(np.sort(slow), abs=0.02)
    assert fast.mean() == pytest.approx(
        slow.mean(), abs=4 * np.hypot(slow.std(), fast.std()) / 600**0.5
    )
    assert (null_errors(confidence, seed=1, simulations=600) == fast).all()


def test_the_null_of_large_data_is_drawn_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    confidence = np.random.default_rng(0).uniform(0.5, 1, size=300_000)
    null = null_errors(confidence, seed=0, simulations=20)
    assert null.shape == (20,)
    assert (null > 0).all()
    assert null.max() < 0.005


def test_the_interval_holds_the_error() -> None:
    rng = np.random.default_rng(0)
    for n in (1, 2, 30, 500):
        confidence = rng.uniform(0.3, 1, size=n)
        table = reliability(confidence, rng.random(n) < 0.6)
        low, high = error_interval(table, seed=0)
        assert 0 <= low <= table.error <= high <= 1


def test_a_bin_without_errors_still_leaves_doubt() -> None:
    """Fifty of fifty right at confidence 1: an error rate of 4 % would often show just this."""
    table = reliability(np.ones(50), np.ones(50, dtype=bool))
    assert table.error == 0
    low, high = error_interval(table, seed=0)
    assert low == 0
    assert 0.03 < high < 0.1


def test_the_interval_shrinks_with_n_and_moves_with_the_error() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, size=8000)
    right = rng.random(8000) < confidence - 0.2
    few, many = (
        error_interval(reliability(confidence[:n], right[:n]), seed=0) for n in (200, 8000)
    )
    assert many.high - many.low < (few.high - few.low) / 4
    assert 0.15 < many.low < 0.2 < many.high < 0.25


MODELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "calibrated": lambda c: c,
    "overconfident": lambda c: c - 0.1,
    "overconfident where it is sure": lambda c: c - 0.8 * (c - 0.5) * c,
    "underconfident": lambda c: 1 - (1 - c) ** 2,
    "good whatever it says": lambda c: np.full_like(c, 0.985),
}
CONFIDENCES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "spread": lambda rng, n: rng.uniform(0.5, 1, size=n),
    "high": lambda rng, n: rng.beta(20, 1, size=n),
    "very high": lambda rng, n: rng.beta(400, 1, size=n),
}


def population_error(confidences: str, model: str) -> float:
    many = CONFIDENCES[confidences](np.random.default_rng(9), 400_000)
    gaps = MODELS[model](many) - many
    bins = np.minimum((many * 15).astype(int), 14)
    return float(np.abs(np.bincount(bins, weights=gaps)).sum() / len(many))


def misses(confidences: str, model: str, n: int, runs: int) -> tuple[int, int]:
    """How often the interval lies above and below the population's error."""
    rng, truth = np.random.default_rng(n), population_error(confidences, model)
    above = below = 0
    for i in range(runs):
        confidence = CONFIDENCES[confidences](rng, n)
        table = reliability(confidence, rng.random(n) < MODELS[model](confidence))
        low, high = error_interval(table, seed=i, simulations=500)
        above, below = above + (low > truth), below + (high < truth)
    return above, below


def test_the_interval_covers_a_calibrated_model() -> None:
    """A plain bootstrap never reaches the true error, 0: it keeps the bias and adds its own."""
    above, below = misses("spread", "calibrated", 200, 200)
    assert stats.binom.sf(above + below - 1, 200, 0.05) >= 0.01


@pytest.mark.slow
@pytest.mark.parametrize("confidences", CONFIDENCES)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("n", [60, 200, 1000])
def test_the_interval_covers_at_least_nominally(confidences: str, model: str, n: int) -> None:
    above, below = misses(confidences, model, n, 500)
    assert stats.binom.sf(above + below - 1, 500, 0.05) >= 0.01


# --- groups --------------------------------------------------------------------------------------


def worst_misses(off: tuple[float, ...], sizes: tuple[int, ...], runs: int) -> tuple[int, int]:
    """How often the interval of the worst group's error lies above and below the true one."""
    rng, above, below = np.random.default_rng(13), 0, 0
    truth = max(map(abs, off))
    for seed in range(runs):
        tables = []
        for wrong, size in zip(off, np.resize(sizes, len(off)), strict=True):
            scores = rng.choice([0.3, 0.5, 0.7], size)
            tables.append(reliability(scores, rng.random(size) < scores + wrong))
        each, worst = errors_of_groups(tables, seed=seed, simulations=400)
        observed = max(table.error for table in tables)
        assert worst.low <= observed <= worst.high
        assert worst.low <= max(low for low, _ in each)
        above, below = above + (worst.low > truth + 1e-12), below + (worst.high < truth - 1e-12)
    return above, below


@pytest.mark.parametrize("off", [(0.0,) * 6, (0.0, 0.2), (0.1, -0.1, 0.1)])
def test_the_interval_of_the_worst_group_covers(off: tuple[float, ...]) -> None:
    for missed in worst_misses(off, (80,), 100):
        assert stats.binom.sf(missed - 1, 100, 0.025) >= 0.01


@pytest.mark.slow
@pytest.mark.parametrize("off", [(0.0,) * 12, (0.0, 0.25), (0.1,) * 8, (0.2, 0.0, 0.0, 0.0)])
@pytest.mark.parametrize("sizes", [(30,), (400, 40)])
def test_the_interval_of_the_worst_group_covers_at_either_end(
    off: tuple[float, ...], sizes: tuple[int, ...]
) -> None:
    for missed in worst_misses(off, sizes, 500):
        assert stats.binom.sf(missed - 1, 500, 0.025) >= 0.01


def test_the_worst_of_one_group_is_that_group() -> None:
    table = reliability(np.full(50, 0.9), np.arange(50) % 2 == 0)
    (only,), worst = errors_of_groups([table], seed=0)
    assert worst == pytest.approx(only)
    assert only == pytest.approx(error_interval(table, seed=1), abs=0.02)
    assert worst.low > 0.2  # a stub that says "anything" fails here

"""Mirrors auditkit/methods/metrics/label_bias.py."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.methods.metrics.label_bias import Rate, labels_needed, rate_of, turned


def is_as_good(cells: np.ndarray, reference: float, rate: Rate) -> bool:
    hits, total = rate_of(cells, rate)
    if rate == "fpr":
        return bool(hits <= reference * total + 1e-9)
    return bool(hits >= reference * total - 1e-9)


@pytest.mark.parametrize("rate", ["accuracy", "tpr", "fpr"])
@pytest.mark.parametrize("seed", range(6))
def test_no_fewer_labels_would_do(rate: Rate, seed: int) -> None:
    """All ways of turning labels are tried."""
    rng = np.random.default_rng(seed)
    cells, reference = rng.integers(1, 14, size=4).astype(np.float64), float(rng.uniform(0.1, 0.9))
    ways = [
        (a + b)
        for a in range(int(cells[1]) + 1)
        for b in range(int(cells[2]) + 1)
        if is_as_good(turned(cells, a, b), reference, rate)
    ]
    needed = labels_needed(cells, np.array(reference), rate)
    assert min(ways) - 1 < needed.total <= min(ways) + 1e-9
    after = turned(cells, float(needed.false_negatives), float(needed.false_positives))
    assert is_as_good(after, reference, rate)
    assert (after >= -1e-9).all()


def test_what_is_as_good_needs_none() -> None:
    cells = np.array([9.0, 1.0, 1.0, 9.0])
    for rate, reference in (("accuracy", 0.9), ("tpr", 0.5), ("fpr", 0.2)):
        assert labels_needed(cells, np.array(reference), rate).total == 0  # type: ignore[arg-type]

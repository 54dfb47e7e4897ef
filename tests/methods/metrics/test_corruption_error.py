"""Mirrors auditkit/methods/metrics/corruption_error.py."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.methods.corruptions.catalogue import STANDARD
from auditkit.methods.metrics.corruption_error import (
    ALEXNET,
    ALEXNET_CLEAN,
    normalised_error,
    relative_error,
)


def test_the_fifteen_are_the_standard_ones_in_order() -> None:
    assert list(ALEXNET) == list(STANDARD)


def test_sums_are_divided_as_published() -> None:
    """CE_c is the sum over severities of the error over that of AlexNet; then their mean."""
    rng = np.random.default_rng(0)
    wrong = {name: rng.random((5, 30)) < 0.4 for name in ALEXNET}  # severity, input
    clean = rng.random(30) < 0.2
    plain, relative = [], []
    for name, one in wrong.items():
        error = one.mean(axis=1)  # of each severity
        plain.append(error.sum() / (5 * ALEXNET[name]))
        relative.append((error - clean.mean()).sum() / (5 * ALEXNET[name] - 5 * ALEXNET_CLEAN))
    errors = {name: one.mean(axis=0) for name, one in wrong.items()}
    assert normalised_error(errors).mean() == pytest.approx(np.mean(plain))
    assert relative_error(errors, clean.astype(float)).mean() == pytest.approx(np.mean(relative))


def test_alexnet_itself_scores_one() -> None:
    errors = {name: np.full(3, error) for name, error in ALEXNET.items()}
    np.testing.assert_allclose(normalised_error(errors), 1)
    np.testing.assert_allclose(relative_error(errors, np.full(3, ALEXNET_CLEAN)), 1)

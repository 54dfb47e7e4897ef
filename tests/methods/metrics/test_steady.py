"""Mirrors auditkit/methods/metrics/steady.py."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.methods.metrics.steady import steady


def test_five_digits_are_kept_whatever_the_size() -> None:
    values = np.array([123456.789, -0.000123456789, 1e-300, 0.0])
    assert steady(values) == pytest.approx([123460.0, -0.00012346, 1e-300, 0.0], rel=1e-12)
    assert (steady(values * (1 + 1e-9)) == steady(values)).all()

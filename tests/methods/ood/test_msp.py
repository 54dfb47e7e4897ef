"""Mirrors auditkit/methods/ood/msp.py."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from auditkit.methods.ood.msp import msp


def test_it_is_one_minus_the_highest_probability() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 7)) * 3
    np.testing.assert_allclose(msp(logits), 1 - softmax(logits, axis=1).max(axis=1), atol=1e-12)


def test_very_sure_answers_are_still_told_apart() -> None:
    sure, surer = msp(np.array([[60.0, 0.0], [70.0, 0.0]]))
    assert sure > surer > 0

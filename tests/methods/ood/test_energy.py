"""Mirrors auditkit/methods/ood/energy.py."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax

from auditkit.methods.ood.energy import energy, fit
from auditkit.methods.ood.known import Known, Reading, Unfit


def test_closed_form_at_any_temperature() -> None:
    z = np.random.default_rng(0).normal(size=(20, 4))
    for t in (0.5, 1.0, 7.0):
        expected = -t * np.log(np.exp(z / t).sum(axis=1))
        np.testing.assert_allclose(energy(z, temperature=t), expected)


def test_probabilities_have_no_energy() -> None:
    logits = log_softmax(np.random.default_rng(0).normal(size=(20, 4)), axis=1)
    with pytest.raises(Unfit, match="probabilities"):
        fit(Known(reading=Reading(logits, logits), labels=np.zeros(20, dtype=int)))

"""Mirrors auditkit/artifacts/features.py."""

from __future__ import annotations

import numpy as np

from auditkit.artifacts.features import Features
from tests.subjects import linear_subject


def test_features_of_a_linear_model_are_its_inputs() -> None:
    artifacts = linear_subject(0).artifacts
    found = artifacts[Features]
    np.testing.assert_allclose(found.values, artifacts.images.flatten(1).numpy())
    assert found.values.dtype == np.float64
    assert found is artifacts[Features]

"""Mirrors auditkit/methods/metrics/max_sensitivity.py."""

from __future__ import annotations

import numpy as np

from auditkit.methods.metrics.max_sensitivity import max_sensitivity


def test_the_farthest_map_counts_in_lengths_of_the_first():
    scores = np.array([[3.0, 0.0], [0.0, 4.0]])
    near = np.stack([scores, scores + 1, scores - np.array([[0.0, 6.0], [8.0, 0.0]])])
    assert max_sensitivity(scores, near) == 2.0
    assert max_sensitivity(7 * scores, 7 * near) == 2.0
    assert max_sensitivity(scores, near[:1]) == 0
    assert np.isnan(max_sensitivity(0 * scores, near))

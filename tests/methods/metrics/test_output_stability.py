"""Mirrors auditkit/methods/metrics/output_stability.py."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.methods.metrics.output_stability import relative_output_stability

LOGITS = np.array([0.0, 4.0])


def test_it_is_the_largest_relative_change_per_change_of_the_logits():
    scores = np.array([1.0, -2.0, 4.0])
    near = scores * np.array([[1.3, 1.4, 1.0], [1.1, 1.0, 1.0]])
    logits = LOGITS + np.array([[0.6, 0.8], [0.0, 0.01]])
    assert relative_output_stability(scores, near, LOGITS, logits) == pytest.approx(10.0)
    only = relative_output_stability(scores, near[:1], LOGITS, logits[:1])
    assert only == pytest.approx(0.5)  # 0.3 and 0.4, over a logit
    assert relative_output_stability(9 * scores, 9 * near, LOGITS, logits) == pytest.approx(10.0)


def test_neighbours_of_another_class_and_scores_of_zero_are_left_out():
    scores = np.array([0.0, 2.0])
    near = np.array([[5.0, 3.0], [0.0, 90.0]])
    logits = np.array([[0.0, 6.0], [9.0, 4.0]])
    assert relative_output_stability(scores, near, LOGITS, logits) == pytest.approx(0.25)
    assert np.isnan(relative_output_stability(scores, near[1:], LOGITS, logits[1:]))
    assert np.isnan(relative_output_stability(0 * scores, near, LOGITS, logits))
    assert np.isnan(relative_output_stability(scores, near + np.inf, LOGITS, logits))


def test_logits_that_do_not_move_count_as_a_millionth():
    scores = np.array([1.0])
    same = LOGITS[None]
    assert relative_output_stability(scores, scores[None], LOGITS, same) == 0
    found = relative_output_stability(scores, np.array([[1.5]]), LOGITS, same)
    assert found == pytest.approx(0.5e6)

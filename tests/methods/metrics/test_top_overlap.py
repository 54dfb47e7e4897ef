"""Mirrors auditkit/methods/metrics/top_overlap.py."""

from __future__ import annotations

import math

import numpy as np
import pytest

from auditkit.methods.metrics.top_overlap import leading, top_overlap


@pytest.mark.parametrize(("share", "count"), [(0.01, 1), (0.2, 2), (0.5, 5), (0.99, 10)])
def test_a_share_leads_and_at_least_one(share: float, count: int):
    found = leading(np.arange(10.0), share)
    assert found.sum() == count
    assert found[-count:].all()


def test_signs_count():
    assert leading(np.array([-9.0, 1.0, 0.0]), 0.3).tolist() == [False, True, False]


def test_the_same_order_overlaps_fully_and_the_reverse_not():
    scores = np.arange(10.0)
    assert top_overlap(scores, 3 * scores - 7, 0.3) == 1.0
    assert top_overlap(scores, -scores, 0.3) == 0.0


def test_by_chance_it_is_the_share():
    rng = np.random.default_rng(0)
    found = [top_overlap(rng.random(50), rng.random(50), 0.2) for _ in range(2000)]
    assert np.mean(found) == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("scores", [np.zeros(3), np.array([np.nan, 1.0, 2.0]), np.empty(0)])
def test_without_an_order_it_is_undefined(scores: np.ndarray):
    other = np.arange(len(scores), dtype=float)
    assert math.isnan(top_overlap(scores, other, 0.5))
    assert math.isnan(top_overlap(other, scores, 0.5))

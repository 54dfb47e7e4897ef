"""Mirrors auditkit/methods/metrics/erasure.py."""

from __future__ import annotations

import numpy as np

from auditkit.methods.metrics.erasure import (
    SHARES,
    comprehensiveness,
    rationales,
    sufficiency,
)


def test_rationales_are_the_highest_scores_at_least_one_and_nested():
    scores = np.random.default_rng(0).permutation(200).astype(float)
    found = rationales(scores)
    assert found.sum(axis=1).tolist() == [2, 10, 20, 40, 100]
    for chosen in found:
        assert scores[chosen].min() > scores[~chosen].max()
    short = rationales(np.array([0.0, 2.0, -5.0]))
    assert short.sum(axis=1).tolist() == [1, 1, 1, 1, 2]
    assert short[0].tolist() == [False, True, False]


def test_on_a_sum_they_are_what_the_rationales_are_worth_and_what_the_rest_is():
    worth = np.random.default_rng(1).random(100)
    whole = float(worth.sum())
    chosen = rationales(worth)
    top = np.sort(worth)[::-1]
    expected = np.mean([top[: round(100 * share)].sum() for share in SHARES])
    assert np.isclose(comprehensiveness(whole, ~chosen @ worth), expected)
    assert np.isclose(sufficiency(whole, chosen @ worth), whole - expected)

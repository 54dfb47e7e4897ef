"""Mirrors auditkit/methods/ood/head.py."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax

from auditkit.methods.ood.head import Head


def test_the_bias_is_what_the_matrix_leaves_over() -> None:
    rng = np.random.default_rng(0)
    weight, bias, features = rng.normal(size=(6, 3)), rng.normal(size=3), rng.normal(size=(20, 6))
    head = Head.seen(weight, features, features @ weight + bias)
    assert head is not None
    np.testing.assert_allclose(head.bias, bias)
    np.testing.assert_allclose(head.logits(features), features @ weight + bias)


def test_one_logit_stands_for_two() -> None:
    features = np.random.default_rng(0).normal(size=(20, 6))
    logits = np.stack([np.zeros(20), features.sum(axis=1) + 2], axis=1)
    head = Head.seen(np.ones((6, 1)), features, logits)
    assert head is not None
    assert head.bias.round(9).tolist() == [0, 2]


def test_what_stands_between_layer_and_answer_is_noticed() -> None:
    rng = np.random.default_rng(0)
    weight, features = rng.normal(size=(6, 3)), rng.normal(size=(20, 6))
    assert Head.seen(weight, features, log_softmax(features @ weight, axis=1)) is None
    assert Head.seen(None, features, features @ weight) is None

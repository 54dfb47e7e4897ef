"""Mirrors auditkit/methods/ood/mahalanobis.py."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import EmpiricalCovariance

from auditkit.methods.ood.known import Known, Reading, Unfit
from auditkit.methods.ood.mahalanobis import fit, whitening


def known(n: int = 200, d: int = 5) -> Known:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, size=n) * 2  # class 1 never occurs
    features = (
        rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 4 * rng.normal(size=(5, d))[labels]
    )
    return Known(reading=Reading(features, np.zeros((n, 5))), labels=labels)


def test_equals_the_peers_tied_covariance() -> None:
    one = known()
    features, labels = one.reading.features, one.labels
    means = {c: features[labels == c].mean(axis=0) for c in (0, 2, 4)}
    centred = np.stack([f - means[c] for f, c in zip(features, labels, strict=True)])
    peer = EmpiricalCovariance(assume_centered=True).fit(centred)
    asked = np.random.default_rng(1).normal(size=(30, 5)) * 5
    expected = np.min([peer.mahalanobis(asked - m) for m in means.values()], axis=0)
    np.testing.assert_allclose(fit(one)(Reading(asked, np.zeros((30, 5)))), expected)


def test_dead_features_are_left_out() -> None:
    one = known()
    dead = np.concatenate([one.reading.features, np.full((200, 2), 3.0)], axis=1)
    asked = np.random.default_rng(1).normal(size=(30, 5))
    with_dead = fit(Known(reading=Reading(dead, dead), labels=one.labels))
    both = np.concatenate([asked, np.full((30, 2), 9.0)], axis=1)
    none = np.zeros((30, 0))
    np.testing.assert_allclose(with_dead(Reading(both, none)), fit(one)(Reading(asked, none)))


def test_too_few_inputs_for_a_covariance_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(Unfit, match="20 inputs: too few"):
        whitening(rng.normal(size=(20, 30)), np.arange(20) % 2)
    with pytest.raises(Unfit, match="do not vary"):
        whitening(np.repeat(np.eye(2), 10, axis=0), np.arange(20) // 10)

"""Mirrors auditkit/methods/ood/vim.py."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import TruncatedSVD

from auditkit.methods.ood.head import Head
from auditkit.methods.ood.known import Known, Reading, Unfit
from auditkit.methods.ood.vim import fit, main_directions


def known(n: int = 300, d: int = 6, k: int = 3, shift: float = 5.0) -> Known:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(n, d)) * np.array([9, 5, 3, 1, 0.5, 0.2][:d])
    head = Head(rng.normal(size=(d, k)), rng.normal(size=k) + shift)
    return Known(
        reading=Reading(features, head.logits(features)), labels=np.zeros(n, int), head=head
    )


def test_equals_an_independent_derivation() -> None:
    """By projection on right singular vectors, and a virtual logit beside the others."""
    one = known()
    features, logits = one.reading
    head = one.head
    assert head is not None
    centre, *_ = np.linalg.lstsq(head.weight.T, -head.bias)  # of least length
    svd = TruncatedSVD(n_components=3, algorithm="arpack", random_state=0).fit(features - centre)

    def length(x: np.ndarray) -> np.ndarray:
        moved = x - centre
        return np.linalg.norm(moved - svd.inverse_transform(svd.transform(moved)), axis=1)

    alpha = logits.max(axis=1).sum() / length(features).sum()
    asked = np.random.default_rng(1).normal(size=(40, 6)) * 4
    z = head.logits(asked)
    virtual = alpha * length(asked)
    probability = np.exp(virtual) / (np.exp(virtual) + np.exp(z).sum(axis=1))  # the paper's score
    found = fit(one)(Reading(asked, z))
    np.testing.assert_allclose(1 / (1 + np.exp(-found)), probability, rtol=1e-6)


def test_main_directions_are_those_of_the_authors() -> None:
    assert [main_directions(d) for d in (64, 767, 768, 2048)] == [32, 383, 512, 1000]


def test_what_it_needs_and_lacks_is_said() -> None:
    one = known()
    with pytest.raises(Unfit, match="could not be seen"):
        fit(Known(reading=one.reading, labels=one.labels))
    few = Reading(*(x[:3] for x in one.reading))
    with pytest.raises(Unfit, match="3 inputs: too few"):
        fit(Known(reading=few, labels=one.labels[:3], head=one.head))
    with pytest.raises(Unfit, match="not positive"):
        fit(known(shift=-500.0))
    flat = one.reading.features * np.array([1, 1, 1, 0, 0, 0])
    head = Head(np.eye(6)[:, :3], np.full(3, 5.0))
    with pytest.raises(Unfit, match="nothing beside"):
        fit(Known(reading=Reading(flat, head.logits(flat)), labels=one.labels, head=head))

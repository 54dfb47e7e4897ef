"""Mirrors auditkit/methods/ood/react.py."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.methods.ood.head import Head
from auditkit.methods.ood.known import Known, Reading, Unfit
from auditkit.methods.ood.react import fit


def test_equals_the_definition_by_hand() -> None:
    rng = np.random.default_rng(0)
    features, asked = rng.exponential(size=(100, 8)), 3 * rng.exponential(size=(10, 8))
    head = Head(rng.normal(size=(8, 3)), rng.normal(size=3))
    known = Known(
        reading=Reading(features, head.logits(features)), labels=np.zeros(100, int), head=head
    )
    clip = np.sort(features.ravel())[719:721] @ [0.9, 0.1]  # at .9 * 799 = 719.1
    expected = []
    for row in asked:
        z = np.array([min(x, clip) for x in row]) @ head.weight + head.bias
        expected.append(-np.log(np.exp(z).sum()))
    assert (asked > clip).any()
    np.testing.assert_allclose(fit(known)(Reading(asked, head.logits(asked))), expected)


def test_without_weights_it_is_not_made_up() -> None:
    with pytest.raises(Unfit, match="could not be seen"):
        fit(Known(reading=Reading(np.eye(3), np.eye(3)), labels=np.arange(3)))

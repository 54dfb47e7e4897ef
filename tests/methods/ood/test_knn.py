"""Mirrors auditkit/methods/ood/knn.py."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from auditkit.methods.ood import knn as module
from auditkit.methods.ood.knn import fit, knn, normalised
from auditkit.methods.ood.known import Known, Reading, Unfit


@pytest.mark.parametrize("neighbours", [1, 5, 40])
def test_equals_the_peer_on_normalised_features(
    neighbours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CELLS", 100)  # several blocks
    rng = np.random.default_rng(0)
    bank, asked = rng.normal(size=(40, 6)), rng.normal(size=(25, 6))
    peer = NearestNeighbors(n_neighbors=neighbours).fit(normalised(bank))
    expected = peer.kneighbors(normalised(asked))[0][:, -1]
    np.testing.assert_allclose(knn(asked, bank, neighbours=neighbours), expected, atol=1e-6)


def test_length_does_not_count_and_nothing_is_not_a_direction() -> None:
    bank = np.eye(3)
    np.testing.assert_allclose(knn(5 * bank, bank, neighbours=1), 0)
    np.testing.assert_allclose(knn(np.zeros((1, 3)), bank, neighbours=1), 1)


def test_fewer_inputs_than_neighbours_are_refused() -> None:
    with pytest.raises(Unfit, match="3 inputs: too few for 5 nearest"):
        fit(Known(reading=Reading(np.eye(3), np.eye(3)), labels=np.arange(3)))

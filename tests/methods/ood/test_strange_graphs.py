"""Mirrors auditkit/methods/ood/strange_graphs.py."""

from __future__ import annotations

import numpy as np

from auditkit.data.graphs import Graph, StoredGraphs
from auditkit.methods.ood.strange_graphs import random_edges, shuffled_tags
from auditkit.randomness import keys_of

KEYS = keys_of(0, "test", [str(i) for i in range(20)])


def graphs() -> np.ndarray:
    chain = np.array([[i, i + 1] for i in range(5)])
    one = Graph(np.array([0, 0, 0, 1, 1, 2]), chain)
    return StoredGraphs([one] * 20, 3, 8).read(np.arange(20))


def test_tags_move_and_edges_stay() -> None:
    made = shuffled_tags(graphs(), KEYS)
    np.testing.assert_array_equal(made[:, :, 3:], graphs()[:, :, 3:])
    np.testing.assert_array_equal(made[:, :, :3].sum(axis=1), graphs()[:, :, :3].sum(axis=1))
    assert not np.array_equal(made, graphs())
    assert (made[:, 6:] == 0).all()


def test_edges_move_and_their_number_stays() -> None:
    made = random_edges(graphs(), KEYS)
    edges = made[:, :, 3:]
    np.testing.assert_array_equal(edges, edges.transpose(0, 2, 1))
    assert (np.triu(edges, k=1).sum(axis=(1, 2)) == 5).all()
    assert (np.diagonal(edges, axis1=1, axis2=2) == 0).all()
    assert (made[:, 6:] == 0).all()
    np.testing.assert_array_equal(made[:, :, :3], graphs()[:, :, :3])
    assert not np.array_equal(made, graphs())

"""Mirrors auditkit/methods/corruptions/graphs.py."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.data.graphs import Graph, StoredGraphs
from auditkit.methods.corruptions.graphs import KINDS, SHARE_OF_EDGES, Kind, rewired
from auditkit.randomness import keys_of

N, V = 300, 12
KEYS = keys_of(0, "test", [str(i) for i in range(N)])


def rings() -> np.ndarray:
    """Rings of ten nodes, and two places that are padding."""
    ring = Graph(np.zeros(10, dtype=int), np.array([[i, (i + 1) % 10] for i in range(10)]))
    return StoredGraphs([ring] * N, 2, V).read(np.arange(N))


@pytest.mark.parametrize("kind", KINDS)
def test_so_many_edges_change_and_stay_changed(kind: Kind) -> None:
    whole, before = rings(), rings()
    for severity, share in enumerate(SHARE_OF_EDGES, start=1):
        changed = rewired(whole, 2, kind, severity, KEYS)
        adjacency = changed[:, :, 2:]
        assert (adjacency == adjacency.transpose(0, 2, 1)).all()
        assert (changed[:, :, :2] == whole[:, :, :2]).all()
        assert not adjacency[:, 10:].any(), "padding gets no edges"
        assert not np.diagonal(adjacency, axis1=1, axis2=2).any()
        edges = adjacency.sum(axis=(1, 2)).mean() / 2
        assert edges == pytest.approx(10 * (1 + share if kind == "added" else 1 - share), abs=0.4)
        further = changed >= before if kind == "added" else changed <= before
        assert further.all()
        before = changed


def test_a_graph_that_is_whole_gets_no_more_edges() -> None:
    pairs = np.array([[i, j] for i in range(4) for j in range(i)])
    whole = StoredGraphs([Graph(np.zeros(4, dtype=int), pairs)], 1, 4).read(np.arange(1))
    assert (rewired(whole, 1, "added", 5, KEYS[:1]) == whole).all()

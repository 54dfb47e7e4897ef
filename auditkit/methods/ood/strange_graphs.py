"""Graphs that a model was not made for: tags or edges of a graph at other places.

Graphs are arrays (n, v, d + v): of each node its tag, one-hot, and its edges; zeros fill up.
"""

from __future__ import annotations

import numpy as np

from auditkit.randomness import generator
from auditkit.types import Floats, Keys


def shuffled_tags(graphs: Floats, keys: Keys) -> Floats:
    """Return graphs with the same edges, whose nodes have exchanged their tags at random."""
    changed, d = graphs.copy(), _tags(graphs)
    for graph, key in zip(changed, keys, strict=True):
        (nodes,) = np.nonzero(graph[:, :d].any(axis=1))
        graph[nodes, :d] = graph[generator(key).permutation(nodes), :d]
    return changed


def random_edges(graphs: Floats, keys: Keys) -> Floats:
    """Return graphs with the same nodes and as many edges, each between two nodes at random."""
    changed, d = graphs.copy(), _tags(graphs)
    for graph, key in zip(changed, keys, strict=True):
        (nodes,) = np.nonzero(graph[:, :d].any(axis=1))
        first, second = np.triu_indices(len(nodes), k=1)
        edges = graph[:, d:]  # (v, v), a view
        count = int(np.count_nonzero(np.triu(edges, k=1)))
        chosen = generator(key).permutation(len(first))[:count]
        edges[:] = 0
        a, b = nodes[first[chosen]], nodes[second[chosen]]
        edges[a, b] = edges[b, a] = 1
    return changed


def _tags(graphs: Floats) -> int:
    return graphs.shape[2] - graphs.shape[1]

"""Graphs with edges added or removed at random, by nobody who wants to do harm."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from auditkit.randomness import uniform
from auditkit.types import Bools, Floats, Keys

Kind = Literal["added", "removed"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SHARE_OF_EDGES = (0.05, 0.1, 0.2, 0.3, 0.4)  # of a graph's own, per severity


def rewired(graphs: Floats, tags: int, kind: Kind, severity: int, keys: Keys) -> Floats:
    """Return graphs (n, v, d + v) with edges added or removed at random.

    Severity 1 to 5 removes 5, 10, 20, 30, 40 % of the edges, each at random by itself, or adds as
    many in the mean, between any two nodes without an edge. A higher severity keeps the changes of
    a lower one. Nodes stay, and so do edges from a node to itself.

    Parameters
    ----------
    graphs : ndarray
        (n, v, d + v); a node whose tags are all zero is padding.
    tags : int
        d.
    kind : {"added", "removed"}
        What happens.
    severity : int
        1 to 5.
    keys : ndarray
        (n,) one per graph.
    """
    v = graphs.shape[1]
    changed = np.array(graphs)
    adjacency = changed[:, :, tags:]  # a view
    real: Bools = np.any(graphs[:, :, :tags] != 0, axis=2)  # (n, v)
    pairs = np.triu(np.ones((v, v), dtype=bool), k=1) & real[:, :, None] & real[:, None, :]
    edges, share = pairs & (adjacency != 0), SHARE_OF_EDGES[severity - 1]
    free = pairs & ~edges
    draws = uniform(keys, (v, v))
    if kind == "removed":
        hit = edges & (draws < share)
    else:
        ratio = edges.sum(axis=(1, 2)) / np.maximum(1, free.sum(axis=(1, 2)))
        hit = free & (draws < np.minimum(1.0, share * ratio)[:, None, None])
    both = hit | hit.transpose(0, 2, 1)
    adjacency[both] = 0.0 if kind == "removed" else 1.0
    return changed

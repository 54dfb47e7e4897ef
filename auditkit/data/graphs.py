"""Graphs as arrays: each node is a row of its tag, one-hot, and of its edges to all nodes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from auditkit.types import Floats, Ints


@final
@dataclass(frozen=True)
class Graph:
    """One undirected graph with a tag per node.

    Parameters
    ----------
    tags : ndarray
        (v,) number of each node's tag.
    edges : ndarray
        (e, 2) numbers of the nodes at both ends; each edge may stand once or in both directions.
    """

    tags: Ints
    edges: Ints

    def adjacency(self) -> Floats:
        """Return the matrix (v, v) that is 1 where two nodes share an edge."""
        matrix = np.zeros((len(self.tags), len(self.tags)), dtype=np.float32)
        matrix[self.edges[:, 0], self.edges[:, 1]] = 1
        return np.maximum(matrix, matrix.T)

    def content(self) -> str:
        """Return a hash that is the same for graphs that differ in the order of their nodes alone.

        Nodes are coloured by their tag, then again and again by their colour and the colours of
        their neighbours. A few pairs of different graphs share a hash.

        References
        ----------
        Weisfeiler and Leman, 1968; Shervashidze et al., 2011, Weisfeiler-Lehman graph kernels,
        Journal of Machine Learning Research 12, 2539-2561.
        """
        neighbours = [np.flatnonzero(row) for row in self.adjacency()]
        colours = [str(tag) for tag in self.tags]
        for _ in range(len(self.tags)):
            colours = [
                _hash([colours[i], *sorted(colours[j] for j in near)])
                for i, near in enumerate(neighbours)
            ]
        return _hash(sorted(colours))


@final
@dataclass(frozen=True)
class StoredGraphs:
    """Graphs that become arrays when they are read.

    Parameters
    ----------
    graphs : sequence of Graph
        n graphs.
    tags : int
        How many tags there are, d.
    nodes : int
        As many as the largest graph has, v, or more: smaller ones are padded with zeros.
    """

    graphs: Sequence[Graph]
    tags: int
    nodes: int

    def read(self, rows: Ints) -> Floats:
        """Return graphs (m, v, d + v)."""
        found = np.zeros((len(rows), self.nodes, self.tags + self.nodes), dtype=np.float32)
        for array, row in zip(found, rows, strict=True):
            graph = self.graphs[row]
            size = len(graph.tags)
            array[np.arange(size), graph.tags] = 1
            array[:size, self.tags : self.tags + size] = graph.adjacency()
        return found

    def relevance(self, rows: Ints) -> None:
        """Return None: nobody knows which nodes matter."""


def split_arrays(graphs: Floats) -> tuple[Floats, Floats]:
    """Return one-hot tags (n, v, d) and adjacency (n, v, v) of graphs (n, v, d + v)."""
    v = graphs.shape[1]
    return graphs[:, :, :-v], graphs[:, :, -v:]


def graph_quantities(graphs: Floats) -> dict[str, Floats]:
    """Return the number of nodes, and of edges per node, of graphs (n, v, d + v)."""
    tags, adjacency = split_arrays(graphs)
    nodes = (tags != 0).any(axis=2).sum(axis=1)
    return {"nodes": nodes.astype(np.float64), "edges per node": _edges(adjacency) / nodes}


def graph_in_words(graph: Floats, tags: Sequence[str]) -> str:
    """Return one graph (v, d + v) as people read it: "3 nodes (2 C, 1 O), 2 edges"."""
    features, adjacency = (part[0] for part in split_arrays(graph[None]))
    counts = (features != 0).sum(axis=0)  # (d,)
    order = np.argsort(-counts, kind="stable")
    kinds = ", ".join(f"{counts[i]} {tags[i]}" for i in order if counts[i])
    nodes, edges = int((features != 0).any(axis=1).sum()), int(_edges(adjacency[None])[0])
    return f"{_counted(nodes, 'node')} ({kinds}), {_counted(edges, 'edge')}"


def _edges(adjacency: Floats) -> Floats:
    """Return how many edges graphs (n, v, v) have; one from a node to itself counts once."""
    return np.triu(adjacency != 0).sum(axis=(1, 2)).astype(np.float64)


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _hash(words: Sequence[str]) -> str:
    return hashlib.blake2b("\x1f".join(words).encode(), digest_size=16).hexdigest()

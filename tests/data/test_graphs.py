"""Mirrors auditkit/data/graphs.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit.data.graphs import (
    Graph,
    StoredGraphs,
    graph_in_words,
    graph_quantities,
    split_arrays,
)

PATH = Graph(np.array([0, 1, 0]), np.array([[0, 1], [1, 2]]))  # C-O-C
LOOP = Graph(np.array([0, 1, 0]), np.array([[0, 1], [1, 2], [2, 0]]))
HEXAGON = Graph(np.zeros(6, int), np.array([[i, (i + 1) % 6] for i in range(6)]))
TRIANGLES = Graph(np.zeros(6, int), np.array([[0, 1], [1, 2], [2, 0], [3, 4], [4, 5], [5, 3]]))


def arrays(*graphs: Graph, tags: int = 2, nodes: int = 4) -> np.ndarray:
    return StoredGraphs(graphs, tags, nodes).read(np.arange(len(graphs)))


def test_a_graph_is_tags_and_edges_padded_with_zeros() -> None:
    (found,) = arrays(PATH)
    assert found.dtype == np.float32
    assert found.tolist() == [
        [1, 0, 0, 1, 0, 0],
        [0, 1, 1, 0, 1, 0],
        [1, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]
    tags, adjacency = split_arrays(found[None])
    assert tags.shape == (1, 4, 2)
    assert adjacency[0].tolist() == adjacency[0].T.tolist()


def test_rows_are_read_in_the_order_asked_for() -> None:
    stored = StoredGraphs([PATH, LOOP], 2, 3)
    both = stored.read(np.array([1, 0]))
    assert np.array_equal(both[0], arrays(LOOP, nodes=3)[0])
    assert np.array_equal(both[1], arrays(PATH, nodes=3)[0])
    assert stored.relevance(np.array([0])) is None


def test_an_edge_in_one_or_both_directions_is_the_same() -> None:
    both = Graph(PATH.tags, np.concatenate([PATH.edges, PATH.edges[:, ::-1]]))
    assert np.array_equal(both.adjacency(), PATH.adjacency())


@given(seed=st.integers(0, 999), nodes=st.integers(1, 9))
def test_the_order_of_the_nodes_does_not_change_the_content(seed: int, nodes: int) -> None:
    rng = np.random.default_rng(seed)
    tags, edges = rng.integers(0, 3, nodes), rng.integers(0, nodes, (2 * nodes, 2))
    place = rng.permutation(nodes)  # node i moves to place[i]
    moved = np.empty_like(tags)
    moved[place] = tags
    assert Graph(tags, edges).content() == Graph(moved, place[edges]).content()


def test_other_tags_and_edges_are_other_contents() -> None:
    other = Graph(np.array([1, 0, 0]), PATH.edges)  # O-C-C
    assert len({PATH.content(), LOOP.content(), other.content()}) == 3
    assert HEXAGON.content() == TRIANGLES.content(), "the pair that this colouring cannot tell"


def test_quantities_and_words() -> None:
    found = graph_quantities(arrays(PATH, LOOP))
    assert found["nodes"].tolist() == [3, 3]
    assert found["edges per node"] == pytest.approx([2 / 3, 1])
    assert graph_in_words(arrays(PATH)[0], ["C", "O"]) == "3 nodes (2 C, 1 O), 2 edges"
    alone = Graph(np.array([1]), np.empty((0, 2), dtype=np.int64))
    assert graph_in_words(arrays(alone)[0], ["C", "O"]) == "1 node (1 O), 0 edges"

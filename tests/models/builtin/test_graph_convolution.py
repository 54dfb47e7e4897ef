"""Mirrors auditkit/models/builtin/graph_convolution.py."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from auditkit.models.builtin.graph_convolution import CARDS, GraphConvolution
from tests.models.builtin.networks import assert_config_is_told_by_shapes, network

SMALL = {"inputs": 3, "width": 8, "depth": 2, "n_classes": 2}


def graph(seed: int, nodes: int = 6) -> tuple[Tensor, Tensor]:
    """Random tags (1, v, 3) and edges (1, v, v)."""
    rng = torch.Generator().manual_seed(seed)
    tags = torch.eye(3)[torch.randint(3, (nodes,), generator=rng)]
    upper = torch.triu((torch.rand(nodes, nodes, generator=rng) < 0.4).float(), diagonal=1)
    return tags[None], (upper + upper.T)[None]


def path(nodes: int) -> tuple[Tensor, Tensor]:
    """A chain of nodes; the last one has another tag."""
    tags = torch.eye(3)[torch.tensor([0] * (nodes - 1) + [1])]
    adjacency = torch.diag(torch.ones(nodes - 1), 1)
    return tags[None], (adjacency + adjacency.T)[None]


def hidden(module: GraphConvolution, tags: Tensor, adjacency: Tensor) -> Tensor:
    """The features (v, width) of the nodes, written out node by node (Kipf and Welling, eq. 2)."""
    h, a = tags[0], adjacency[0]
    degree = 1 + a.sum(dim=1)
    for layer in module.layers:
        rows = []
        for i in range(len(h)):
            total = h[i] / degree[i]
            for j in range(len(h)):
                if a[i, j]:
                    total = total + h[j] / (degree[i] * degree[j]) ** 0.5
            rows.append(layer(total).relu())
        h = torch.stack(rows)
    return h


@given(seed=st.integers(0, 99))
def test_it_equals_the_layers_written_out(seed: int) -> None:
    module = network(GraphConvolution, **SMALL)
    tags, adjacency = graph(seed)
    h = hidden(module, tags, adjacency)
    expected = module.head(torch.cat([h.mean(dim=0), h.sum(dim=0) / 10]))
    assert torch.allclose(module(tags, adjacency)[0], expected, atol=1e-5)


@given(seed=st.integers(0, 99))
def test_the_order_of_the_nodes_does_not_matter(seed: int) -> None:
    module = network(GraphConvolution, **SMALL)
    tags, adjacency = graph(seed)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(seed))
    moved = module(tags[:, order], adjacency[:, order][:, :, order])
    assert torch.allclose(moved, module(tags, adjacency), atol=1e-5)


@given(seed=st.integers(0, 99), more=st.integers(1, 9))
def test_padding_does_not_matter(seed: int, more: int) -> None:
    module = network(GraphConvolution, **SMALL)
    tags, adjacency = graph(seed)
    padded = torch.zeros(1, 6 + more, 3), torch.zeros(1, 6 + more, 6 + more)
    padded[0][:, :6], padded[1][:, :6, :6] = tags, adjacency
    assert torch.allclose(module(*padded), module(tags, adjacency), atol=1e-5)


def test_edges_matter_and_each_layer_sees_one_edge_further() -> None:
    """A chain whose far end changes: node 0 notices it through as many layers as edges."""
    module = network(GraphConvolution, **SMALL)
    tags, adjacency = path(4)
    assert not torch.allclose(
        module(tags, adjacency), module(tags, torch.zeros_like(adjacency)), atol=1e-4
    )
    changed = tags.clone()
    changed[0, 3] = torch.tensor([0.0, 0.0, 1.0])
    for depth, notices in ((1, False), (2, False), (3, True)):
        deep = network(GraphConvolution, **{**SMALL, "depth": depth})
        before, after = (hidden(deep, one, adjacency)[0] for one in (tags, changed))
        assert (not torch.allclose(before, after, atol=1e-6)) == notices


def test_the_number_of_nodes_matters() -> None:
    """Two copies of a graph have the same mean, but not the same sum."""
    module = network(GraphConvolution, **SMALL)
    tags, adjacency = graph(0)
    twice = torch.block_diag(adjacency[0], adjacency[0])[None]
    both = module(torch.cat([tags, tags], dim=1), twice)
    assert not torch.allclose(both, module(tags, adjacency), atol=1e-4)


def test_the_shapes_of_a_state_dict_tell_the_config() -> None:
    assert_config_is_told_by_shapes(
        GraphConvolution, SMALL, {"inputs": 7, "width": 16, "depth": 4, "n_classes": 3}
    )


def test_the_card_names_a_network_of_its_size() -> None:
    (card,) = CARDS
    module = network(card.build, **card.config)
    assert module.config == card.config
    tags, adjacency = torch.eye(7)[None], torch.ones(1, 7, 7)
    assert module(tags, adjacency).shape == (1, 2)

"""Mirrors auditkit/methods/saliency/probes/graph.py."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from auditkit.methods.saliency.probes.graph import GraphProbe
from auditkit.models.graphs import GraphClassifier


class Counts(nn.Module):
    """Votes of the tags, and one tenth of the edges' ends."""

    def forward(self, features: Tensor, adjacency: Tensor) -> Tensor:
        votes = features @ torch.tensor([1.0, -2.0])
        return votes.sum(dim=1, keepdim=True) + 0.1 * adjacency.sum(dim=(1, 2))[:, None]


def chain() -> Tensor:
    """A C, an O and a C in a row, and one line of padding."""
    graph = torch.zeros(4, 2 + 4)
    graph[0, 0] = graph[1, 1] = graph[2, 0] = 1
    for i, j in ((0, 1), (1, 2)):
        graph[i, 2 + j] = graph[j, 2 + i] = 1
    return graph


def graph_probe() -> GraphProbe:
    model = GraphClassifier(Counts(), tags=["C", "O"], classes=["no", "yes"])
    return GraphProbe(model=model, graph=chain(), target=1, batch_size=2)


def test_a_removed_node_loses_its_tag_and_its_edges():
    probe = graph_probe()
    assert probe.units == 3
    removed = np.array(
        [[False, False, False], [True, False, False], [False, True, False], [True, True, True]]
    )
    # Two classes with one output: the centred score is half of it.
    assert np.allclose(probe.scores(removed), np.array([0.4, -0.8, 2.0, 0.0]) / 2, atol=1e-6)
    assert probe.differs().all()


def test_maps_have_one_place_per_node_without_padding():
    probe = graph_probe()
    numbers = torch.arange(24.0).reshape(1, 4, 6)
    assert probe.summed(numbers).tolist() == [15.0, 51.0, 87.0]
    assert probe.modelless()["number-of-edges"].tolist() == [1.0, 2.0, 1.0]
    assert [one.strip() for one in probe.pieces()] == ["1 C (to 2)", "2 O (to 1, 3)", "3 C (to 2)"]


def test_the_reference_has_the_same_nodes_of_every_kind_alike_and_no_edges():
    expected = torch.zeros(1, 4, 6)
    expected[0, :3, :2] = 0.5
    assert torch.equal(graph_probe().origin, expected)

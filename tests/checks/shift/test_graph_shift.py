"""Mirrors auditkit/checks/shift/graph_shift.py."""

from __future__ import annotations

import numpy as np
import pytest
from torch import Tensor, nn

from auditkit.checks.base import NotApplicable
from auditkit.checks.shift.graph_shift import GraphShift, _parts
from auditkit.data.graphs import Graph, StoredGraphs
from auditkit.errors import ConfigError
from auditkit.models.graphs import GraphClassifier
from tests.subjects import Subject, linear_subject, measured, plain_data, values

CHECK = GraphShift()
REVEALS = "mean_edge_error"
N = 80


class Edges(nn.Module):
    """Answers 1 where a graph has as many edges as nodes."""

    def forward(self, features: Tensor, adjacency: Tensor) -> Tensor:
        edges = adjacency.sum(dim=(1, 2)) / 2
        return (0.5 - (edges - features.sum(dim=(1, 2))).abs())[:, None]


class FirstTag(nn.Module):
    """Answers 1 where any node has the second tag."""

    def forward(self, features: Tensor, adjacency: Tensor) -> Tensor:
        return features[:, :, 1].sum(dim=1, keepdim=True) - 0.5 + 0 * adjacency.sum()


def graphs(module: nn.Module, *, wrong_above: int = 99) -> Subject:
    """Rings (1) with the second tag, and chains (0), of 5 to 12 nodes; some are mislabelled."""
    made: list[Graph] = []
    labels: list[int] = []
    for i in range(N):
        v, ring = 5 + i % 8, i // 8 % 2
        edges = [[j, j + 1] for j in range(v - 1)] + [[0, v - 1]] * ring
        made.append(Graph(np.full(v, 0) + ring * (np.arange(v) == 0), np.array(edges)))
        labels.append(1 - ring if v > wrong_above else ring)
    return Subject(
        GraphClassifier(module, tags=("C", "N"), classes=("0", "1")),
        plain_data("graph", StoredGraphs(made, 2, 12), labels),
    )


def broken() -> Subject:
    """One edge more or less turns it."""
    return graphs(Edges())


def sound() -> Subject:
    return graphs(FirstTag())


def test_a_model_that_counts_edges_falls_and_one_that_does_not_stands() -> None:
    found = values(measured(CHECK, broken()))
    assert found["accuracy_drop/kind=removed,severity=5"] > 0.3  # type: ignore[operator]
    for name, value in values(measured(CHECK, sound())).items():
        if name.startswith("accuracy_drop"):
            assert value == 0, name


def test_sizes_that_are_answered_wrongly_are_seen() -> None:
    outcome = measured(CHECK, graphs(FirstTag(), wrong_above=10))
    found = values(outcome)
    assert found["part_accuracy/by=nodes,part=1"] == 1
    assert found["part_accuracy/by=nodes,part=4"] == 0
    assert found["part_gap/by=nodes"] == 1
    assert sum(one.n for one in outcome.findings if one.params.get("by") == "nodes") == 2 * N


def test_equal_values_share_a_part() -> None:
    assert _parts(np.array([1.0, 1, 1, 1, 9])).tolist() == [0, 0, 0, 0, 1]
    assert _parts(np.full(5, 2.0)).tolist() == [0] * 5
    assert np.bincount(_parts(np.arange(8.0))).tolist() == [2, 2, 2, 2]


def test_graphs_alone() -> None:
    images = linear_subject(0)
    assert isinstance(CHECK.applies(images.model, images.data), NotApplicable)


@pytest.mark.parametrize("wrong", [{"kinds": ("aded",)}, {"kinds": ()}, {"severities": (0,)}])
def test_unknown_parameters_are_refused(wrong: dict[str, tuple[object, ...]]) -> None:
    with pytest.raises(ConfigError):
        GraphShift(**wrong)  # type: ignore[arg-type]

"""Mirrors auditkit/data/tu.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auditkit.data.graphs import graph_in_words
from auditkit.data.tu import load_tu, read_tu
from auditkit.errors import DataError
from tests.data.models import graph_model

FILES = {
    "A": "1, 2\n2, 1\n2, 3\n3, 2\n4, 5\n5, 4\n",
    "graph_indicator": "1\n1\n1\n2\n2\n",
    "graph_labels": "1\n-1\n",
    "node_labels": "0\n1\n0\n2\n2\n",
}


def written(folder: Path, name: str = "TOY", **changes: str | None) -> Path:
    for kind, content in {**FILES, **changes}.items():
        if content is not None:
            (folder / f"{name}_{kind}.txt").write_text(content, encoding="utf-8")
    return folder


def test_a_folder_of_the_collection(tmp_path: Path) -> None:
    data = load_tu(written(tmp_path), graph_model(), split="test")
    assert (data.name, data.modality, data.ids, data.tags) == (
        "TOY",
        "graph",
        ("1", "2"),
        ("C", "O", "N"),
    )
    graphs = data.read(slice(None))
    assert not isinstance(graphs, list)
    assert graphs.shape == (2, 3, 3 + 3)
    assert graph_in_words(graphs[0], data.tags) == "3 nodes (2 C, 1 O), 2 edges"
    assert graph_in_words(graphs[1], data.tags) == "2 nodes (2 N), 1 edge"
    assert data.labels.tolist() == [1, 0], "-1 is the first class, 1 the second"
    assert "-1 is no, 1 is yes" in data.notes[0]
    assert data.derived == ("nodes", "edges per node")


def test_class_numbers_are_taken_as_they_are(tmp_path: Path) -> None:
    data = load_tu(written(tmp_path, graph_labels="0\n0\n"), graph_model(), split="test")
    assert data.labels.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"node_labels": None}, "TOY_node_labels.txt cannot be read: No such file"),
        ({"node_labels": "0\n1\n0\n2\n3\n"}, "the node label 3, and model knows 3 kinds"),
        ({"node_labels": "0\n1\n"}, "5 nodes have 2 labels"),
        ({"node_labels": "0\n1\n0\n2\n-1\n"}, "a node has the label -1"),
        ({"node_labels": "0\nC\n0\n2\n1\n"}, "something else than whole numbers"),
        ({"graph_indicator": "1\n1\n1\n3\n3\n"}, "belong to other graphs than the 2"),
        ({"graph_indicator": "1\n2\n1\n2\n2\n"}, "do not stand together"),
        ({"graph_indicator": "1\n1\n1\n2\n2, 2\n"}, "a line without 1 numbers"),
        ({"A": "1, 9\n"}, "none of the 5"),
        ({"A": "3, 4\n"}, "from one graph to another"),
        ({"graph_labels": "5\n5\n"}, "line 1 has the label 5, and the model has 2 classes"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        load_tu(written(tmp_path, **changes), graph_model(), split="test")


def test_a_folder_holds_one_data_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file called NAME_A\.txt"):
        read_tu(tmp_path)
    written(tmp_path)
    written(tmp_path, "OTHER")
    with pytest.raises(DataError, match=r"2 files called NAME_A\.txt"):
        read_tu(tmp_path)
    with pytest.raises(DataError, match="no column 'who' to slice by"):
        load_tu(tmp_path, graph_model(), split="test", sensitive=["who"])


def test_a_graph_without_edges(tmp_path: Path) -> None:
    found = read_tu(written(tmp_path, A="\n"))
    assert all(np.array_equal(graph.adjacency(), graph.adjacency() * 0) for graph in found.graphs)


def test_the_labels_of_graphs_may_be_absent_where_that_is_said(tmp_path: Path) -> None:
    folder = written(tmp_path, graph_labels=None)
    data = load_tu(folder, graph_model(), split="test", unlabelled=True)
    assert data.labels.tolist() == [-1, -1]
    with pytest.raises(DataError, match="graph_labels"):
        load_tu(folder, graph_model(), split="test")

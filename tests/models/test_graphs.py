"""Mirrors auditkit/models/graphs.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from auditkit.data.graphs import Graph, StoredGraphs
from auditkit.errors import ModelError
from auditkit.models.blackbox import BlackBox
from auditkit.models.bundle import save
from auditkit.models.graphs import GraphClassifier
from auditkit.models.load import ModelSpec, load_model
from tests.data.models import graph_model

PATH = Graph(np.array([0, 1, 0]), np.array([[0, 1], [1, 2]]))
GRAPHS = torch.from_numpy(StoredGraphs([PATH], 3, 4).read(np.array([0])))


class Counts(nn.Module):
    """Nodes with the second tag, and edges."""

    def forward(self, features: Tensor, adjacency: Tensor) -> Tensor:
        return torch.stack([features[:, :, 1].sum(1), adjacency.sum(dim=(1, 2)) / 2], dim=1)


def test_the_two_halves_of_a_graph_reach_the_module() -> None:
    model = GraphClassifier(Counts(), tags=["C", "O", "N"], classes=["a", "b"])
    assert model.logits(GRAPHS).tolist() == [[1, 2]]
    batch = model.split(GRAPHS)
    assert batch.features.shape == (1, 4, 3)
    assert torch.equal(batch.adjacency[0, :3, :3], torch.from_numpy(PATH.adjacency()))
    assert model.differentiable


def test_arrays_of_another_shape_are_refused() -> None:
    model = graph_model()
    for shape in ((1, 4, 6), (4, 7), (1, 3, 4, 7)):
        with pytest.raises(ModelError, match=r"shape \(n, v, 3 \+ v\)"):
            model.logits(torch.zeros(shape))
    with pytest.raises(ModelError, match="needs the names of the tags"):
        GraphClassifier(Counts(), tags=[], classes=["a", "b"])


def test_a_black_box_has_no_gradients() -> None:
    def predict(features: np.ndarray, adjacency: np.ndarray) -> np.ndarray:
        share = features[:, :, 0].sum(axis=1) / 4
        return np.stack([share, 1 - share], axis=1)

    model = GraphClassifier(BlackBox(predict), tags=["C", "O", "N"], classes=["a", "b"])
    assert not model.differentiable
    assert model.predict(GRAPHS).softmax(dim=1)[0].tolist() == pytest.approx([0.5, 0.5])


def test_words_and_example() -> None:
    model = graph_model()
    assert model.in_words(GRAPHS[0]) == "3 nodes (2 C, 1 O), 2 edges"
    assert model.in_words(model.example()[0]) == "20 nodes (20 C), 19 edges"
    assert model.logits(model.example()).shape == (1, 2)


def test_a_bundle_gives_back_the_same_model(tmp_path: Path) -> None:
    model = graph_model()
    save(model, tmp_path / "m")
    again = load_model(ModelSpec(source=str(tmp_path / "m")))
    assert isinstance(again, GraphClassifier)
    assert torch.equal(again.predict(GRAPHS), model.predict(GRAPHS))
    assert (again.tags, again.classes) == (model.tags, model.classes)
    assert again.differentiable


def test_weights_alone_do_not_say_their_tags(tmp_path: Path) -> None:
    safetensors.torch.save_file(graph_model().module.state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match="without its tags"):
        load_model(ModelSpec(source=str(tmp_path / "w.safetensors")))

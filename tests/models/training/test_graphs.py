"""Mirrors auditkit/models/training/graphs.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from auditkit.data.dataset import Dataset
from auditkit.data.graphs import Graph, StoredGraphs
from auditkit.models.builtin.graph_convolution import CARDS
from auditkit.models.card import Recipe
from auditkit.models.training.fit import Epoch
from auditkit.models.training.graphs import train_graph
from auditkit.models.training.report import accuracy

CONFIG = {"inputs": 2, "width": 16, "depth": 2, "n_classes": 2}
CARD = replace(CARDS[0], config=CONFIG, classes=("apart", "beside"))
RECIPE = Recipe(seed=0, epochs=40, batch_size=16, learning_rate=0.01)


def chains(seed: int, n: int = 160) -> Dataset:
    """Chains of 6 to 9 nodes, two of them O: the two are beside each other, or three apart."""
    rng = np.random.default_rng(seed)
    graphs: list[Graph] = []
    labels: list[int] = []
    for _ in range(n):
        size = int(rng.integers(6, 10))
        first = int(rng.integers(0, size - 3))
        beside = int(rng.integers(0, 2))
        tags = np.zeros(size, dtype=np.int64)
        tags[[first, first + 1 if beside else first + 3]] = 1
        graphs.append(Graph(tags, np.array([[i, i + 1] for i in range(size - 1)])))
        labels.append(beside)
    return Dataset(
        name="chains",
        split="train",
        modality="graph",
        classes=CARD.classes,
        ids=tuple(map(str, range(n))),
        labels=np.array(labels),
        attributes=pd.DataFrame(index=range(n)),
        reader=StoredGraphs(graphs, 2, 9),
        tags=("C", "O"),
        sha256="0" * 64,
    )


def test_which_nodes_are_neighbours_is_learnt() -> None:
    """Tags alone say nothing: every graph has two O."""
    seen: list[Epoch] = []
    model, epochs = train_graph(CARD, RECIPE, chains(0), validation=chains(1), progress=seen.append)
    assert epochs == seen
    assert len(epochs) == 40
    assert accuracy(model, chains(2)).share > 0.9
    assert epochs[-1].validation == pytest.approx(accuracy(model, chains(1)).share)
    assert (model.tags, model.classes) == (("C", "O"), CARD.classes)


def test_a_stopped_training_goes_on_where_it_was(tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    def stop(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise StopError

    short, file = replace(RECIPE, epochs=4), tmp_path / "resume"
    whole, _ = train_graph(CARD, short, chains(0))
    with pytest.raises(StopError):
        train_graph(CARD, short, chains(0), progress=stop, checkpoint=file)
    again, epochs = train_graph(CARD, short, chains(0), checkpoint=file)
    assert len(epochs) == 4
    for one, other in zip(
        whole.module.state_dict().values(), again.module.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other)

"""Trains networks of graphs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from auditkit.data.dataset import Dataset
from auditkit.models.card import ModelCard, Recipe
from auditkit.models.classifier import Identity
from auditkit.models.graphs import GraphBatch, GraphClassifier
from auditkit.models.training.fit import Epoch, Progress, fit, repeatable
from auditkit.models.training.report import share_correct


def train_graph(
    card: ModelCard,
    recipe: Recipe,
    training: Dataset,
    *,
    validation: Dataset | None = None,
    identity: Identity | None = None,
    device: torch.device | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> tuple[GraphClassifier, list[Epoch]]:
    """Return a trained model of graphs, and the epochs that made it.

    Parameters
    ----------
    card : ModelCard
        Architecture and classes.
    recipe : Recipe
        See `fit`.
    training, validation : Dataset
        Graphs; the validation graphs are only measured.
    identity : Identity, optional
        Of the model.
    device, progress, checkpoint
        See `fit`.
    """
    with repeatable(recipe.seed):
        module = card.build(**card.config)
    classifier = GraphClassifier(
        module, tags=training.tags, classes=card.classes, identity=identity
    )
    held = None if validation is None else (_graphs(classifier, validation), _labels(validation))
    epochs = fit_graph(
        module.to(device or torch.device("cpu")),
        _graphs(classifier, training),
        _labels(training),
        recipe,
        validation=held,
        progress=progress,
        checkpoint=checkpoint,
    )
    return classifier, epochs


def fit_graph(
    module: nn.Module,
    graphs: GraphBatch,
    labels: Tensor,
    recipe: Recipe,
    *,
    validation: tuple[GraphBatch, Tensor] | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> list[Epoch]:
    """Train a network of graphs in place and leave it in evaluation mode.

    Parameters
    ----------
    module : Module
        Maps features (m, v, d) and adjacency (m, v, v) to logits (m, k).
    graphs, labels : GraphBatch and Tensor
        n graphs, and (n,) class numbers.
    recipe : Recipe
        Epochs, step size, seed.
    validation : (graphs, labels), optional
        Only measured after each epoch, never trained on.
    progress, checkpoint : optional
        See `fit`.
    """
    device = next(module.parameters()).device
    features, adjacency = (part.to(device) for part in graphs)
    labels = labels.to(device)

    def loss(rows: Tensor) -> Tensor:
        rows = rows.to(device)
        return functional.cross_entropy(
            module(features[rows], adjacency[rows]),
            labels[rows],
            label_smoothing=recipe.label_smoothing,
        )

    def validated() -> float:
        assert validation is not None
        logits = module(*(part.to(device) for part in validation[0]))
        return share_correct(logits.cpu(), validation[1])

    return fit(
        module,
        loss,
        len(labels),
        recipe,
        validated=validated if validation else None,
        progress=progress,
        checkpoint=checkpoint,
    )


def _graphs(classifier: GraphClassifier, data: Dataset) -> GraphBatch:
    batch = data.read(np.arange(len(data)))
    assert not isinstance(batch, list)
    return classifier.split(torch.from_numpy(batch))


def _labels(data: Dataset) -> Tensor:
    return torch.from_numpy(data.labels.copy()).long()

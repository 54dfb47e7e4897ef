"""Graph convolution network: nodes average over their neighbours, then the graph over its nodes."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from auditkit.data.mutag import CLASSES, TAGS, TERMS
from auditkit.models.card import Config, ModelCard, Network, Recipe, Shapes

_SCALE = 10  # sums over so many nodes are as large as means


@final
class GraphConvolution(Network):
    """Layers h' = relu(A h W + b), with A the normalised adjacency matrix with self-loops.

    Parameters
    ----------
    inputs : int
        Tags of a node.
    width : int
        Features of a node in every layer.
    depth : int
        Layers: how many edges away a node sees.
    n_classes : int
        Number of logits.

    References
    ----------
    Kipf and Welling, 2017, arXiv:1609.02907, section 2 (the layers); Xu et al., 2019,
    arXiv:1810.00826, section 5 (what mean and sum over nodes can tell apart).
    """

    def __init__(
        self, *, inputs: int = 7, width: int = 64, depth: int = 3, n_classes: int = 2
    ) -> None:
        super().__init__()
        self.config = {"inputs": inputs, "width": width, "depth": depth, "n_classes": n_classes}
        self.layers = nn.ModuleList(nn.Linear(width if i else inputs, width) for i in range(depth))
        self.head = nn.Linear(2 * width, n_classes)

    def forward(self, features: Tensor, adjacency: Tensor) -> Tensor:
        """Map one-hot tags (n, v, inputs) and adjacency (n, v, v) to logits (n, n_classes).

        Nodes whose tags are all zero are padding and change nothing.
        """
        there = (features != 0).any(dim=2, keepdim=True).to(features.dtype)  # (n, v, 1)
        spread = _normalised(adjacency, there)
        h = features
        for layer in self.layers:
            h = layer(spread @ h).relu() * there  # (n, v, width)
        total = h.sum(dim=1)  # (n, width)
        mean = total / there.sum(dim=1).clamp(min=1)
        return self.head(torch.cat([mean, total / _SCALE], dim=1))

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        width, inputs = shapes["layers.0.weight"]
        depth = sum(name.startswith("layers.") and name.endswith(".weight") for name in shapes)
        n_classes = shapes["head.weight"][0]
        return {"inputs": inputs, "width": width, "depth": depth, "n_classes": n_classes}


def _normalised(adjacency: Tensor, there: Tensor) -> Tensor:
    """Return D^-1/2 (A + I) D^-1/2, zero at padding, for adjacency (n, v, v)."""
    loops = torch.diag_embed(there.squeeze(2))
    linked = adjacency * there * there.mT + loops  # (n, v, v)
    scale = linked.sum(dim=2, keepdim=True).clamp(min=1).rsqrt()  # (n, v, 1)
    return scale * linked * scale.mT


CARDS = (
    ModelCard(
        name="mutag-gcn",
        summary="A graph convolution network that says which molecules make bacteria mutate.",
        build=GraphConvolution,
        config={"inputs": len(TAGS), "width": 64, "depth": 3, "n_classes": 2},
        data="mutag",
        modality="graph",
        classes=CLASSES,
        source="Kipf and Welling, 2017, arXiv:1609.02907 (GCN)",
        recipe=Recipe(seed=0, epochs=200, batch_size=16, learning_rate=3e-3, weight_decay=0.05),
        limits=(
            "Learnt from 110 molecules: its accuracy is known to within ten points or so.",
            "Reads atoms and which of them are bound, not the kinds of bond, charges or hydrogens.",
            "Knows nitroaromatic compounds alone; it answers whatever molecule it is shown.",
        ),
        terms=TERMS,
    ),
)

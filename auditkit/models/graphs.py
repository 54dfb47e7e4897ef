"""Classifiers of graphs whose nodes have tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from auditkit.data.graphs import graph_in_words
from auditkit.errors import ModelError
from auditkit.models.blackbox import BlackBox
from auditkit.models.classifier import Classifier, Identity, Inputs, frozen, unshared


class GraphBatch(NamedTuple):
    """Graphs as a network reads them."""

    features: Tensor  # (n, v, d), one-hot tags; a row of zeros is padding, not a node
    adjacency: Tensor  # (n, v, v), 1 where two nodes share an edge


@final
class GraphClassifier(Classifier):
    """A classifier of undirected graphs with a tag per node.

    An input is an array (v, d + v): row i holds the one-hot tag of node i and then its row of the
    adjacency matrix. Rows of zeros behind the last node are padding, which must not matter.

    Parameters
    ----------
    module : Module
        Maps features (n, v, d) and adjacency (n, v, v) to logits (n, k), or (n, 1) for two
        classes, whatever v is.
    tags : sequence of str
        What the d tags are called.
    classes : sequence of str
        Class names in the order of the logits.
    differentiable : bool
        False where the module has no useful gradients.

    Raises
    ------
    ModelError
        If there are no tags.

    Examples
    --------
    >>> class Degrees(nn.Module):
    ...     def forward(self, features, adjacency):
    ...         return adjacency.sum(dim=2).amax(dim=1, keepdim=True) - 2
    >>> model = GraphClassifier(Degrees(), tags=["C", "O"], classes=["no", "yes"])
    >>> edge = torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0]])
    >>> model.logits(edge[None]), model.in_words(edge)
    (tensor([[ 0., -1.]]), '2 nodes (1 C, 1 O), 1 edge')
    """

    modality = "graph"

    def __init__(
        self,
        module: nn.Module,
        *,
        tags: Sequence[str],
        classes: Sequence[str],
        differentiable: bool = True,
        identity: Identity | None = None,
    ) -> None:
        if not tags:
            raise ModelError("A model of graphs needs the names of the tags of their nodes.")
        self.module = frozen(module)
        self.tags = tuple(tags)
        self.classes = tuple(classes)
        self.differentiable = differentiable and not isinstance(module, BlackBox)
        self.identity = identity or Identity(name="model", architecture=type(module).__name__)

    def split(self, inputs: Tensor) -> GraphBatch:
        """Return the two halves of graphs (n, v, d + v), on the model's device.

        Raises
        ------
        ModelError
            If the arrays do not have the shape of graphs with d tags.
        """
        d = len(self.tags)
        if inputs.ndim != 3 or inputs.shape[2] != d + inputs.shape[1]:
            raise ModelError(
                f"{self.identity.name} reads graphs of shape (n, v, {d} + v), these inputs have the"
                f" shape {tuple(inputs.shape)}."
            )
        graphs = unshared(inputs.to(self.device, self.dtype), inputs)
        return GraphBatch(graphs[:, :, :d], graphs[:, :, d:])

    def logits(self, inputs: Inputs) -> Tensor:
        """Return logits (n, k) of graphs (n, v, d + v)."""
        assert isinstance(inputs, Tensor)
        return self.as_logits(self.module(*self.split(inputs)), len(inputs))

    def in_words(self, graph: Tensor) -> str:
        """Return one graph (v, d + v) as people read it."""
        return graph_in_words(graph.cpu().numpy(), self.tags)

    def example(self) -> Tensor:
        """Return one graph (1, 20, d + 20) as large as a molecule: a chain with the first tag."""
        v, d = 20, len(self.tags)
        tags, chain = torch.zeros(v, d), torch.diag(torch.ones(v - 1), 1)
        tags[:, 0] = 1
        return torch.cat([tags, chain + chain.T], dim=1)[None]

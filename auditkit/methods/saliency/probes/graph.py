"""One graph, cut into its nodes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from auditkit.methods.saliency.probes.base import Probe, floats
from auditkit.models.graphs import GraphClassifier
from auditkit.types import Bools, Floats


@final
@dataclass(frozen=True, kw_only=True)
class GraphProbe(Probe):
    """One graph, cut into its nodes; a removed one loses its tag and its edges.

    The reference has no node. A node's score counts its tag and its ends of its edges.

    Parameters
    ----------
    model : GraphClassifier
        The model; it is not changed.
    graph : Tensor
        (v, d + v): tags, then adjacency; rows of zeros behind the last node are padding.
    target : int
        The explained class.
    batch_size : int
        Graphs per forward pass.
    """

    parts: ClassVar[str] = "nodes"

    model: GraphClassifier
    graph: Tensor
    target: int
    batch_size: int

    @property
    def units(self) -> int:
        """Number of nodes, padding left out."""
        return int(self._nodes.sum())

    @property
    def point(self) -> Tensor:
        """The graph (1, v, d + v)."""
        return self.graph[None]

    @property
    def origin(self) -> Tensor:
        """The same nodes (1, v, d + v), each of every kind alike, and no edges.

        Without nodes, networks that tell nodes from padding would jump on the way to the graph,
        which no slope can see.
        """
        origin = torch.zeros_like(self.graph)
        origin[self._nodes, : self._tags] = 1 / self._tags
        return origin[None]

    def logits(self, points: Tensor) -> Tensor:
        """Return logits (m, k) of graphs (m, v, d + v)."""
        return self.model.logits(points)

    def summed(self, scores: Tensor) -> Tensor:
        """Return the sum over each node's row."""
        return scores[0].sum(dim=1)[self._nodes]

    def steepest(self, slopes: Tensor) -> Tensor:
        """Return the Euclidean length over each node's row."""
        return slopes[0].norm(dim=1)[self._nodes]

    def modelless(self) -> dict[str, Floats]:
        """Return the number of edges of each node."""
        return {"number-of-edges": floats(self.graph[:, self._tags :].sum(dim=1)[self._nodes])}

    def differs(self) -> Bools:
        """Return all nodes: the reference has none."""
        return np.ones(self.units, dtype=np.bool_)

    def answers(self, removed: Tensor) -> Tensor:
        """Return logits (b, k) where removed nodes are padding."""
        kept = torch.ones(len(removed), len(self.graph), dtype=torch.bool)
        kept[:, self._nodes.cpu()] = ~removed
        kept = kept.to(self.graph.device)
        tags = torch.ones(len(kept), self._tags, dtype=torch.bool, device=kept.device)
        there = kept[:, :, None] & torch.cat([tags, kept], dim=1)[:, None, :]
        return self.model.logits(self.graph * there)

    def pieces(self) -> list[str]:
        """Return each node's tag and the numbers of its neighbours."""
        tags, edges = self.graph[:, : self._tags], self.graph[:, self._tags :]
        words: list[str] = []
        for i in self._nodes.nonzero()[:, 0].tolist():
            ends = ", ".join(str(j + 1) for j in edges[i].nonzero()[:, 0].tolist())
            name = self.model.tags[int(tags[i].argmax())]
            words.append(f"{i + 1} {name} ({'no edge' if not ends else f'to {ends}'}) ")
        return words

    @property
    def _tags(self) -> int:
        return len(self.model.tags)

    @cached_property
    def _nodes(self) -> Tensor:
        return (self.graph != 0).any(dim=1)

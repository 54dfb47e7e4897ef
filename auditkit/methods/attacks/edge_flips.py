"""Few edges put into a graph or taken out of it that make a model's answer wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb
from typing import TypeAlias, final

import numpy as np
import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import CLEARLY, misclassified, scores_and_gradients
from auditkit.methods.attacks.losses import log_odds_against
from auditkit.models.classifier import Logits
from auditkit.randomness import uniform
from auditkit.types import Keys

Pair: TypeAlias = tuple[int, int]
"""Two different nodes, the smaller number first."""
Pairs: TypeAlias = tuple[Pair, ...]


@final
@dataclass(frozen=True, kw_only=True)
class Rewired:
    """A graph in which the edges between some pairs of nodes were put in or taken out."""

    pairs: Pairs = ()
    flipped: bool = False  # whether the model's answer is wrong
    exact: int = 0  # every set of so many pairs was tried
    usable_gradient: bool = True  # whether the first gradient was finite and not zero everywhere
    queries: int = 0  # graphs that the model read for it; a gradient counts as one


@final
@dataclass(frozen=True, kw_only=True)
class EdgeFlips:
    """How edges are searched.

    In every round each graph that still holds has up to `beam` versions, and of each version the
    `queries` pairs that the gradient ranks highest are tried. The next first version is the worst
    child of the first; the next second one the worst other child of the first two; and so on, so
    that results nest over `beam` and the number of flips. Where there are few enough sets of pairs,
    all are tried besides.

    Parameters
    ----------
    beam : int
        Versions of a graph that are followed.
    queries : int
        Pairs tried per version and round.
    exact : int
        So many sets of pairs of one size are all tried; 0 for never.
    gradients : bool
        Whether the gradient ranks the pairs; else they are tried in random order.
    batch_size : int
        Graphs per forward pass.

    References
    ----------
    Gradient of the adjacency: Dai et al., 2018, arXiv:1806.02371, section 3.2.
    """

    beam: int
    queries: int
    exact: int
    gradients: bool = True
    batch_size: int = 128

    def search(
        self, logits: Logits, graphs: Tensor, labels: Tensor, keys: Keys, *, max_flips: int
    ) -> list[Rewired]:
        """Return few flips for each graph that make the answer wrong, where they were found.

        Edges are symmetric, no node gets an edge to itself, and nodes stay what they are. A graph
        whose answer is wrong as it stands comes back without flips.

        Parameters
        ----------
        logits : callable
            Maps graphs (m, v, d + v) to logits (m, k).
        graphs : Tensor
            (n, v, d + v), see `GraphClassifier`.
        labels : Tensor
            (n,) int64, on the CPU.
        keys : ndarray
            (n,) one key per graph, for random order.
        max_flips : int
            Pairs that may be flipped.
        """
        asked = _Asked(logits, graphs, labels, self.batch_size)
        wrong, _ = asked.read([(i, ()) for i in range(len(graphs))])
        found = [Rewired(flipped=one, queries=1) for one in wrong]
        pairs = [pairs_of(graph) for graph in graphs]
        beams: list[list[Pairs]] = [[()] for _ in found]
        for size in range(1, max_flips + 1):
            held = [i for i, one in enumerate(found) if not one.flipped]
            ranked = self._ranked(asked, [(i, one) for i in held for one in beams[i]], pairs, keys)
            for i in held:
                children = _children(beams[i], [next(ranked) for _ in beams[i]], self.queries)
                found[i], beams[i] = self._one_round(asked, i, found[i], children)
                if size == 1:
                    found[i] = replace(found[i], usable_gradient=asked.usable[i])
                found[i] = self._all_of(asked, i, found[i], pairs[i], size)
        return found

    def _one_round(
        self, asked: _Asked, i: int, before: Rewired, children: dict[Pairs, int]
    ) -> tuple[Rewired, list[Pairs]]:
        """Judge the children of one graph; return what stands for it, and its next versions."""
        tried, parents = list(children), list(children.values())
        wrong, losses = asked.read([(i, one) for one in tried])
        spent = before.queries + len(tried) + (len(set(parents)) if self.gradients else 0)
        order = sorted(range(len(tried)), key=lambda j: (-losses[j], j))
        kept: list[int] = []
        for place in range(self.beam):
            best = next((j for j in order if parents[j] <= place and j not in kept), None)
            if best is None:
                break
            kept.append(best)
        fallen = next((j for j in order if wrong[j]), None)
        now = replace(before, queries=spent)
        if fallen is not None:
            now = replace(now, pairs=tried[fallen], flipped=True)
        return now, [tried[j] for j in kept]

    def _all_of(
        self, asked: _Asked, i: int, found: Rewired, pairs: Sequence[Pair], size: int
    ) -> Rewired:
        """Try every set of pairs of a size, where that is feasible and nothing is found yet."""
        if found.flipped or found.exact < size - 1 or comb(len(pairs), size) > self.exact:
            return found
        every = list(combinations(pairs, size))
        for start in range(0, len(every), self.batch_size):
            some = every[start : start + self.batch_size]
            wrong, losses = asked.read([(i, one) for one in some])
            found = replace(found, queries=found.queries + len(some))
            if any(wrong):
                worst = max((j for j, one in enumerate(wrong) if one), key=lambda j: losses[j])
                return replace(found, pairs=some[worst], flipped=True)
        return replace(found, exact=size)

    def _ranked(
        self,
        asked: _Asked,
        versions: Sequence[tuple[int, Pairs]],
        pairs: Sequence[Sequence[Pair]],
        keys: Keys,
    ) -> Iterator[list[Pair]]:
        """Yield the pairs of each version that are not flipped yet, the most promising first."""
        if not self.gradients:
            for i, flipped in versions:
                draws = uniform(keys[i : i + 1], (len(pairs[i]),))[0]
                order = np.argsort(draws, kind="stable").tolist()
                yield [pairs[i][j] for j in order if pairs[i][j] not in flipped]
            return
        for start in range(0, len(versions), self.batch_size):
            some = versions[start : start + self.batch_size]
            for (i, flipped), gains in zip(some, asked.gains(some), strict=True):
                free = [one for one in pairs[i] if one not in flipped]
                value = gains[[a for a, _ in free], [b for _, b in free]]
                order = value.argsort(descending=True, stable=True).tolist()
                yield [free[j] for j in order]


def _children(
    versions: Sequence[Pairs], ranked: Sequence[list[Pair]], queries: int
) -> dict[Pairs, int]:
    """Map the different children of some versions to the version that each comes from first."""
    children: dict[Pairs, int] = {}
    for parent, (version, pairs) in enumerate(zip(versions, ranked, strict=True)):
        for pair in pairs[:queries]:
            children.setdefault(tuple(sorted((*version, pair))), parent)
    return children


def pairs_of(graph: Tensor) -> list[Pair]:
    """Return every pair of real nodes of a graph (v, d + v)."""
    v = graph.shape[0]
    real = torch.where((graph[:, :-v] != 0).any(dim=1))[0].tolist()
    return list(combinations(real, 2))


def rewired(graphs: Tensor, flips: Sequence[Pairs]) -> Tensor:
    """Return graphs (m, v, d + v) with the edges between pairs put in, or taken out.

    Parameters
    ----------
    graphs : Tensor
        (m, v, d + v).
    flips : sequence
        m sets of pairs, each pair at most once.
    """
    moved, v = graphs.clone(), graphs.shape[1]
    rows = [r for r, pairs in enumerate(flips) for _ in pairs]
    if not rows:
        return moved
    a, b = torch.tensor([pair for pairs in flips for pair in pairs]).T.to(graphs.device)
    edges = moved[:, :, -v:]
    now = (edges[rows, a, b] == 0).to(moved.dtype)
    edges[rows, a, b] = now
    edges[rows, b, a] = now
    return moved


def random_flips(pairs: Sequence[Pair], count: int, key: Keys) -> Pairs:
    """Return different pairs drawn at random; of a larger count the first are the same."""
    draws = uniform(key, (len(pairs),))[0]
    return tuple(pairs[i] for i in np.argsort(draws, kind="stable")[:count].tolist())


@final
class _Asked:
    """The model, and the graphs it is asked about."""

    def __init__(self, logits: Logits, graphs: Tensor, labels: Tensor, batch_size: int) -> None:
        self._logits, self._graphs, self._labels = logits, graphs, labels
        self._batch_size = batch_size
        self.usable: dict[int, bool] = dict.fromkeys(range(len(graphs)), True)

    def read(self, versions: Sequence[tuple[int, Pairs]]) -> tuple[list[bool], list[float]]:
        """Return which versions of graphs are answered wrongly, and the log odds against each."""
        wrong: list[bool] = []
        losses: list[float] = []
        for start in range(0, len(versions), self._batch_size):
            some = versions[start : start + self._batch_size]
            rows = torch.tensor([i for i, _ in some])
            with torch.no_grad():
                points = rewired(self._graphs[rows], [pairs for _, pairs in some])
                logits = self._logits(points).cpu()
            labels = self._labels[rows]
            touched = torch.tensor([bool(pairs) for _, pairs in some])
            clearly = misclassified(logits, labels, margin=CLEARLY)
            wrong += torch.where(touched, clearly, misclassified(logits, labels)).tolist()
            losses += log_odds_against(logits, labels).nan_to_num(nan=-torch.inf).tolist()
        return wrong, losses

    def gains(self, versions: Sequence[tuple[int, Pairs]]) -> Tensor:
        """Return what flipping each pair of nodes gains to first order, (m, v, v)."""
        rows = torch.tensor([i for i, _ in versions])
        points = rewired(self._graphs[rows], [pairs for _, pairs in versions])
        slopes = scores_and_gradients(self._logits, points, self._labels[rows].to(points.device))
        v = points.shape[1]
        edges, gradients = points[:, :, -v:], slopes.gradients[:, :, -v:].to(points.device)
        flat = gradients.flatten(1)
        usable = (flat.isfinite().all(dim=1) & (flat != 0).any(dim=1)).tolist()
        for (i, pairs), one in zip(versions, usable, strict=True):
            if not pairs:
                self.usable[i] = one
        both = torch.nan_to_num(gradients + gradients.mT).float()
        return (((edges == 0).float() - edges) * both).cpu()

"""Mirrors auditkit/methods/attacks/edge_flips.py."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.data.graphs import Graph, StoredGraphs
from auditkit.methods.attacks.active_set import misclassified
from auditkit.methods.attacks.edge_flips import (
    EdgeFlips,
    Rewired,
    pairs_of,
    random_flips,
    rewired,
)
from auditkit.models.graphs import GraphClassifier
from auditkit.randomness import keys_of
from tests.subjects import Subject, plain_data


class Bonds(nn.Module):
    """The score is a sum of weights over the edges, by the tags at both ends, plus a square."""

    def __init__(self, weight: Tensor, bias: float, square: float = 0.0) -> None:
        super().__init__()
        self.weight, self.bias, self.square = weight, bias, square

    def forward(self, features: Tensor, adjacency: Tensor) -> Tensor:
        each = features @ self.weight @ features.mT  # (n, v, v)
        score = (each * adjacency).sum(dim=(1, 2)) / 2
        paths = (adjacency @ adjacency * each).sum(dim=(1, 2))
        return (score + self.square * paths + self.bias)[:, None]


def graph_subject(seed: int, *, n: int = 16, square: float = 0.0, wrong: int = 2) -> Subject:
    """Random graphs of 4 to 6 nodes with 3 tags, labelled by the model but for two."""
    rng = np.random.default_rng(seed)
    weight = torch.tensor(rng.normal(size=(3, 3)), dtype=torch.float32)
    graphs: list[Graph] = []
    for _ in range(n):
        v = int(rng.integers(4, 7))
        pairs = np.array(list(combinations(range(v), 2)))
        edges = pairs[rng.random(len(pairs)) < 0.4]
        graphs.append(Graph(rng.integers(0, 3, v), edges.reshape(-1, 2)))
    model = GraphClassifier(
        Bonds((weight + weight.T) / 2, 0.3, square), tags=("C", "N", "O"), classes=("0", "1")
    )
    reader = StoredGraphs(graphs, 3, 7)
    labels = model.predict(torch.from_numpy(reader.read(np.arange(n)))).argmax(dim=1).tolist()
    labels[:wrong] = [1 - one for one in labels[:wrong]]
    return Subject(model, plain_data("graph", reader, labels, tags=("C", "N", "O")))


def graphs_of(subject: Subject) -> Tensor:
    inputs = subject.artifacts.inputs
    assert isinstance(inputs, Tensor)
    return inputs


def attacked(subject: Subject, *, max_flips: int = 1, **options: int | bool) -> list[Rewired]:
    settings = {"beam": 1, "queries": 100, "exact": 0, "gradients": True} | options
    keys = keys_of(0, "test", subject.data.ids)
    return EdgeFlips(**settings).search(  # type: ignore[arg-type]
        subject.model.logits, graphs_of(subject), subject.artifacts.labels, keys,
        max_flips=max_flips,
    )  # fmt: skip


def falls(subject: Subject, k: int) -> list[bool]:
    """Whether any graph with at most k flipped edges is answered wrongly, found by trying all."""
    found: list[bool] = []
    for graph, label in zip(graphs_of(subject), subject.artifacts.labels, strict=True):
        v = int((graph[:, :3] != 0).any(dim=1).sum())
        every = list(combinations(range(v), 2))
        tried = [sets for size in range(k + 1) for sets in combinations(every, size)]
        changed = graph[None].repeat(len(tried), 1, 1)
        for row, sets in zip(changed, tried, strict=True):
            for a, b in sets:
                row[a, 3 + b] = row[b, 3 + a] = 1 - row[a, 3 + b]
        wrong = misclassified(subject.model.predict(changed), label.repeat(len(tried)))
        found.append(bool(wrong.any()))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_one_flip_equals_brute_force(seed: int) -> None:
    for square in (0.0, -0.4):
        subject = graph_subject(seed, square=square)
        expected = falls(subject, 1)
        for options in ({"queries": 100}, {"queries": 1, "exact": 100}, {"gradients": False}):
            assert [one.flipped for one in attacked(subject, **options)] == expected
    assert 2 < sum(expected) < len(expected)


@pytest.mark.parametrize("seed", [2, 5])
def test_trying_all_sets_equals_brute_force_and_says_so(seed: int) -> None:
    subject = graph_subject(seed, square=0.3)
    expected = falls(subject, 2)
    found = attacked(subject, max_flips=2, queries=1, exact=1000)
    assert [one.flipped for one in found] == expected
    assert all(one.flipped or one.exact == 2 for one in found)
    wide = attacked(subject, max_flips=2, beam=100)
    assert [one.flipped for one in wide] == expected
    assert sum(one.flipped for one in attacked(subject, max_flips=2, queries=1)) < sum(expected)


@pytest.mark.parametrize("seed", range(3))
def test_on_a_linear_model_the_best_flips_are_the_known_ones(seed: int) -> None:
    """The score is a sum over edges: the k flips that gain most are the best k, greedily found."""
    subject = graph_subject(seed, wrong=0)
    network = subject.model.module
    for queries in (1, 100):  # the gradient is exact
        found = attacked(subject, max_flips=3, queries=queries)
        for graph, label, one in zip(
            graphs_of(subject), subject.artifacts.labels, found, strict=True
        ):
            v = int((graph[:, :3] != 0).any(dim=1).sum())
            tags, edges = graph[:v, :3], graph[:v, 3 : 3 + v]
            side = 1 if label == 0 else -1
            change = side * (tags @ network.weight @ tags.T) * (1 - 2 * edges)  # type: ignore[operator]
            gains = sorted((float(change[p]) for p in combinations(range(v), 2)), reverse=True)
            score = side * float(subject.model.logits(graph[None])[0, 1])
            best = [score + sum(gains[:k]) for k in range(4)]
            needed = next((k for k in range(1, 4) if best[k] > 0), None)
            assert one.flipped == (needed is not None)
            assert len(one.pairs) == (needed or 0)


def test_wider_beams_more_flips_and_more_sets_keep_every_success() -> None:
    subject = graph_subject(4, square=0.5, n=30)
    for tried in (
        [attacked(subject, max_flips=3, queries=2, beam=b) for b in (1, 2, 4, 8)],
        [attacked(subject, max_flips=k, queries=2) for k in (1, 2, 3)],
        [attacked(subject, max_flips=3, queries=2, exact=e) for e in (0, 10, 50, 500)],
    ):
        for less, more in pairwise(tried):
            for a, b in zip(less, more, strict=True):
                assert not a.flipped or (b.flipped and len(b.pairs) <= len(a.pairs))
        assert sum(one.flipped for one in tried[0]) <= sum(one.flipped for one in tried[-1])


def test_a_narrower_beam_reads_a_part_of_what_a_wider_one_reads() -> None:
    """Or a success could be lost; no graph falls here, so that no search ends early."""
    subject = graph_subject(4, square=0.5, wrong=0)
    network = subject.model.module
    assert isinstance(network, Bonds)
    network.bias = 50.0
    graphs, keys = graphs_of(subject), keys_of(0, "test", subject.data.ids)
    read: list[set[bytes]] = []

    def noted(points: Tensor) -> Tensor:
        read[-1].update(one.detach().numpy().tobytes() for one in points)
        return subject.model.logits(points)

    for beam in (1, 2, 3, 5):
        read.append(set())
        EdgeFlips(beam=beam, queries=3, exact=0).search(
            noted, graphs, torch.ones(len(graphs), dtype=torch.int64), keys, max_flips=4
        )
    for less, more in pairwise(read):
        assert less < more


def test_exact_means_that_smaller_sets_were_tried_too() -> None:
    """Of three pairs there is one set of three, but two sets of two are left out before."""
    graph = StoredGraphs([Graph(np.array([0, 0, 0]), np.array([[0, 1]]))], 3, 7).read(np.array([0]))
    model = GraphClassifier(Bonds(torch.zeros(3, 3), 1.0), tags=("C", "N", "O"), classes=("0", "1"))
    (found,) = EdgeFlips(beam=1, queries=1, exact=2).search(
        model.logits, torch.from_numpy(graph), torch.tensor([1]), keys_of(0, "a", ["x"]),
        max_flips=3,
    )  # fmt: skip
    assert not found.flipped
    assert found.exact == 0


def test_flips_are_symmetric_between_real_nodes_and_undo_themselves() -> None:
    subject = graph_subject(1)
    graphs = graphs_of(subject)
    for graph in graphs:
        pairs = pairs_of(graph)
        v = int((graph[:, :3] != 0).any(dim=1).sum())
        assert pairs == list(combinations(range(v), 2))
        moved = rewired(graph[None], [tuple(pairs)])
        assert torch.equal(moved[:, :, :3], graph[None, :, :3])
        edges = moved[0, :, 3:]
        assert torch.equal(edges, edges.T)
        assert not edges.diagonal().any()
        assert torch.equal(edges[:v, :v], 1 - graph[:v, 3 : 3 + v] - torch.eye(v))
        assert torch.equal(rewired(moved, [tuple(pairs)])[0], graph)
    assert torch.equal(rewired(graphs, [()] * len(graphs)), graphs)


def test_every_query_is_counted_and_a_wrong_answer_is_not_repaired() -> None:
    subject = graph_subject(2, square=0.3)
    read = [0]
    logits = subject.model.logits

    def counted(graphs: Tensor) -> Tensor:
        read[0] += len(graphs)
        return logits(graphs)

    keys = keys_of(0, "test", subject.data.ids)
    found = EdgeFlips(beam=2, queries=3, exact=20).search(
        counted, graphs_of(subject), subject.artifacts.labels, keys, max_flips=2
    )
    assert sum(one.queries for one in found) == read[0]
    for one in found[:2]:
        assert one == Rewired(flipped=True, queries=1)


def test_order_and_batches_change_nothing() -> None:
    subject = graph_subject(3, square=0.3)
    whole = attacked(subject, max_flips=2, beam=3, queries=4)
    assert attacked(subject, max_flips=2, beam=3, queries=4, batch_size=3) == whole


def test_random_flips_are_different_pairs_and_nest() -> None:
    pairs = pairs_of(graphs_of(graph_subject(0))[0])
    key = keys_of(0, "a", ["x"])
    three = random_flips(pairs, 3, key)
    assert len(set(three)) == 3
    assert random_flips(pairs, 2, key) == three[:2]
    assert len(random_flips(pairs, 1000, key)) == len(pairs)
    assert random_flips([], 2, key) == ()

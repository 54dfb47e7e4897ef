"""Mirrors auditkit/checks/robustness/edge_flips.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.artifacts.base import Artifacts
from auditkit.checks.base import NotApplicable, Records
from auditkit.checks.robustness import edge_flips
from auditkit.checks.robustness.edge_flips import EdgeFlips
from auditkit.data.graphs import Graph, StoredGraphs
from auditkit.errors import ConfigError
from auditkit.findings import TextExhibit
from auditkit.models.graphs import GraphClassifier
from tests.methods.attacks.test_edge_flips import graph_subject, graphs_of
from tests.subjects import Subject, linear_subject, measured, plain_data, run_check, values

CHECK = EdgeFlips(max_flips=2, beam=2, queries=8, exact=0)
REVEALS = "robust_accuracy"


class Edges(nn.Module):
    """Class 1 has more edges than the threshold, or a node of the second tag."""

    def __init__(self, *, by_edges: bool) -> None:
        super().__init__()
        self.by_edges = by_edges

    def forward(self, features: Tensor, adjacency: Tensor) -> Tensor:
        edges = adjacency.sum(dim=(1, 2)) / 2 - 3.5
        tagged = features[:, :, 1].sum(dim=1) - 0.5 + 0.01 * edges
        return (edges if self.by_edges else tagged)[:, None]


def rings(*, by_edges: bool, n: int = 20) -> Subject:
    """Chains of three edges without the second tag, rings of four edges with it."""
    chain, ring = np.array([[0, 1], [1, 2], [2, 3]]), np.array([[0, 1], [1, 2], [2, 3], [0, 3]])
    graphs = [Graph(np.array([i % 2, 0, 0, 0]), ring if i % 2 else chain) for i in range(n)]
    model = GraphClassifier(Edges(by_edges=by_edges), tags=("C", "N"), classes=("0", "1"))
    return Subject(
        model, plain_data("graph", StoredGraphs(graphs, 2, 5), [i % 2 for i in range(n)])
    )


def broken() -> Subject:
    """One edge decides."""
    return rings(by_edges=True)


def sound() -> Subject:
    """A tag decides, and edges hardly count."""
    return rings(by_edges=False)


def test_one_edge_decides_where_edges_are_counted() -> None:
    """Of six pairs, a chain falls to any of 3 that can be joined, a ring to any of 4 parted."""
    outcome = measured(EdgeFlips(max_flips=2, exact=100), broken())
    found = values(outcome)
    assert found["robust_accuracy/flips=1"] == 0
    assert found["attack_success_rate/flips=1"] == 1
    assert found["exact_share/flips=1"] == 1
    assert found["random_flip_rate/flips=1"] == pytest.approx((3 / 6 + 4 / 6) / 2, abs=0.1)
    assert found["attack_gain/flips=1"] == pytest.approx(1 - found["random_flip_rate/flips=1"])  # type: ignore[operator]
    held = values(measured(EdgeFlips(max_flips=2, exact=100), sound()))
    assert held["robust_accuracy/flips=2"] == 1
    assert held["exact_share/flips=2"] == 1
    assert values(measured(CHECK, sound()))["exact_share/flips=1"] == 0  # not all were tried


def test_numbers_follow_from_the_records_and_nest() -> None:
    subject = graph_subject(5, n=40, square=0.4)
    check = EdgeFlips(max_flips=3, beam=1, queries=2, exact=0)
    records = check.measure(subject.artifacts)
    outcome = measured(check, subject)
    found, flips = values(outcome), records["flips"]
    right = records["correct"]
    assert right.sum() == 38
    for size in (1, 2, 3):
        kept = int((flips > size).sum())
        assert found[f"robust_accuracy/flips={size}"] == pytest.approx(kept / 40)
        assert found[f"attack_success_rate/flips={size}"] == pytest.approx(1 - kept / 38)
        random = [records[f"random-{r}"][right] <= size for r in range(edge_flips.DRAWS)]
        assert found[f"random_flip_rate/flips={size}"] == pytest.approx(np.mean(random))
    fewer = EdgeFlips(max_flips=1, beam=1, queries=2, exact=0).measure(subject.artifacts)
    assert np.array_equal(fewer["flips"] == 1, flips == 1)
    by_chance = np.min([records[f"random-{r}"] for r in range(edge_flips.DRAWS)], axis=0)
    assert (flips[right] <= by_chance[right]).all()  # what chance finds counts


def test_a_search_that_is_worse_than_chance_fails_its_control() -> None:
    """Its gradient points the wrong way, so that it tries the worst pair alone."""

    class Backwards(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: object, gradient: Tensor) -> Tensor:  # type: ignore[override]
            return -gradient

    class Misleading(nn.Module):
        def forward(self, features: Tensor, adjacency: Tensor) -> Tensor:
            return Backwards.apply(adjacency).sum(dim=(1, 2))[:, None] / 2 - 3.5  # type: ignore[union-attr]

    subject = rings(by_edges=True)
    model = GraphClassifier(Misleading(), tags=("C", "N"), classes=("0", "1"))
    check = EdgeFlips(max_flips=1, beam=1, queries=1, exact=0)
    outcome = measured(check, Subject(model, subject.data))
    found = values(outcome)
    assert found["random_only_share"] == 1
    assert found["robust_accuracy/flips=1"] == 0  # chance found them
    assert "edge-flips/random_only_share/all" in outcome.findings[0].controls
    assert values(measured(check, subject))["random_only_share"] == 0


def test_exhibits_say_what_was_done() -> None:
    subject = broken()
    worst = measured(CHECK, subject).evidence["worst"]
    assert isinstance(worst, TextExhibit)
    for row in worst.rows:
        i = int(row.id)
        (done,) = [token for token in row.tokens if token.was is not None]
        first, _, second, verb = done.text.split()
        graph, nodes = graphs_of(subject)[i], [int(one[1:]) - 1 for one in (first, second)]
        assert verb == ("parted" if graph[nodes[0], 2 + nodes[1]] else "joined")
        assert verb == ("parted" if i % 2 else "joined")
        assert first[0] == ("N" if i % 2 and nodes[0] == 0 else "C")
        assert row.tokens[0].text.startswith("4 nodes")


def test_shards_change_nothing() -> None:
    subject = graph_subject(6, n=20, square=0.4)
    check = EdgeFlips(max_flips=2, beam=2, queries=4, exact=30)
    whole = check.measure(subject.artifacts)
    parts = [
        check.measure(Artifacts(subject.model, subject.data, np.arange(a, min(a + 7, 20))))
        for a in range(0, 20, 7)
    ]
    joined = Records.merged(parts)
    for column in whole.columns:
        assert np.array_equal(joined[column], whole[column]), column


def test_without_gradients_pairs_come_in_random_order(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a gradient was taken")

    subject = broken()
    monkeypatch.setattr(subject.model, "differentiable", False)
    monkeypatch.setattr(torch.autograd, "grad", refuse)
    outcome = measured(CHECK, subject)
    found = values(outcome)
    assert found["robust_accuracy/flips=1"] == 0
    assert "zero_gradient_share" not in found
    assert outcome.findings[0].controls == ["edge-flips/random_only_share/all"]


def test_without_a_right_answer_there_is_nothing_to_attack() -> None:
    subject = sound()
    labels = [1 - int(one) for one in subject.artifacts.labels]
    wrong = plain_data("graph", subject.data.reader, labels)
    assert isinstance(run_check(CHECK, Subject(subject.model, wrong)), NotApplicable)


def test_it_is_about_graphs() -> None:
    subject = linear_subject(0)
    assert CHECK.applies(subject.model, subject.data) is not None


@pytest.mark.parametrize(
    ("name", "value"), [("max_flips", 0), ("beam", 0), ("queries", 0), ("exact", -1)]
)
def test_bad_parameters_are_refused(name: str, value: int) -> None:
    with pytest.raises(ConfigError, match=name):
        EdgeFlips(**{name: value})

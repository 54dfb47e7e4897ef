"""Mirrors auditkit/checks/attribution/errors_explained.py."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.checks.attribution.errors_explained import ErrorsExplained
from auditkit.checks.base import Measured, Records
from auditkit.data.dataset import InMemory
from auditkit.data.graphs import Graph, StoredGraphs
from auditkit.errors import ConfigError
from auditkit.findings import Bars, Finding, ImageExhibit, TextExhibit, TextRow, Token
from auditkit.models.classifier import ImageClassifier
from auditkit.models.graphs import GraphClassifier
from auditkit.models.tabular import TabularClassifier
from tests.checks.attribution.test_attribution_trust import opinions, text_data
from tests.methods.saliency.nets import word_model
from tests.subjects import (
    Subject,
    graph_subject,
    image_data,
    linear_subject,
    measured,
    plain_data,
    table_subject,
)

CHECK = ErrorsExplained(max_inputs=6, minimum_n=4, grid=4, nodes=2, epsilon=0.1)
REVEALS = "confident_errors"


def mistaken(*, surest: bool, n: int = 40, wrong: int = 8) -> Subject:
    """A linear model whose labels say that it is wrong where it is surest, or least sure."""
    subject = linear_subject(3, n=n, wrong=0)
    images = subject.artifacts.images
    order = subject.margins.abs().argsort(descending=surest)
    labels = (subject.margins * (2 * torch.from_numpy(subject.data.labels) - 1) > 0).long()
    labels[order[:wrong]] = 1 - labels[order[:wrong]]
    return Subject(subject.model, image_data(images, labels))


def broken() -> Subject:
    """The surest answers are the wrong ones."""
    return mistaken(surest=True)


def sound() -> Subject:
    """Wrong answers are the least sure ones."""
    return mistaken(surest=False)


class Halves(nn.Module):
    """Decides by the left half, or where the last pixel is bright by the right half."""

    def forward(self, images: Tensor) -> Tensor:
        image = images[:, 0] - 0.5
        left, right = image[:, :, :4].sum(dim=(1, 2)), image[:, :, 4:].sum(dim=(1, 2))
        return (10 * torch.where(images[:, 0, -1, -1] > 0.95, right, left))[:, None]


@cache
def halves() -> Measured:
    """On the left stands what matters; where the right decides the answer is wrong."""
    rng = torch.Generator().manual_seed(0)
    images = 0.4 + 0.2 * torch.rand(40, 1, 8, 8, generator=rng)
    images[:10, 0, -1, -1] = 1.0
    truth = np.zeros((40, 8, 8), dtype=np.bool_)
    truth[:, :, :4] = True
    model = ImageClassifier(Halves(), classes=("0", "1"), input_shape=(1, 8, 8))
    labels = model.predict(images).argmax(dim=1)
    labels[:10] = 1 - labels[:10]
    check = ErrorsExplained(method="occlusion", grid=4, max_inputs=8, minimum_n=4, epsilon=0.1)
    return measured(check, Subject(model, image_data(images, labels, masks=truth)))


def finding(outcome: Measured, metric: str, where: str = "all") -> Finding:
    return next(one for one in outcome.findings if (one.metric, one.slice) == (metric, where))


def test_mistakes_among_the_surest_tenth_are_counted() -> None:
    bad, good = (finding(measured(CHECK, one()), "confident_errors") for one in (broken, sound))
    assert (bad.value, bad.n, bad.interval) == (1.0, 4, "clopper-pearson")
    assert good.value == 0
    quarter = ErrorsExplained(**{**vars(CHECK), "top": 0.25})
    found = finding(measured(quarter, broken()), "confident_errors")
    assert (found.value, found.n) == (0.8, 10)
    assert finding(measured(CHECK, broken()), "wrong_answers").value == 0.2


def test_bars_go_from_the_surest_on() -> None:
    bars = measured(CHECK, broken()).evidence["confidence"]
    assert isinstance(bars, Bars)
    assert [one.value for one in bars.bars] == [1.0, 1.0, *[0.0] * 8]
    assert sum(one.n or 0 for one in bars.bars) == 40


def test_maps_of_wrong_answers_that_lie_beside_the_point_are_told() -> None:
    outcome = halves()
    right, wrong = (
        finding(outcome, "relevance_mass", f"answer={one}").value for one in ("right", "wrong")
    )
    assert right == pytest.approx(1.0)
    assert wrong is not None
    assert wrong < 0.5
    found = finding(outcome, "relevance_mass_difference")
    assert found.value == pytest.approx(1.0 - wrong)
    assert found.low is not None
    assert found.low > 0
    assert found.n == 16


def test_the_difference_of_entropies_is_wrong_less_right() -> None:
    outcome = halves()
    right, wrong = (
        finding(outcome, "map_entropy", f"answer={one}").value for one in ("right", "wrong")
    )
    assert right is not None
    assert wrong is not None
    assert finding(outcome, "map_entropy_difference").value == pytest.approx(wrong - right)


def test_few_mistakes_leave_the_comparison_undefined() -> None:
    outcome = measured(CHECK, mistaken(surest=True, wrong=3))
    assert finding(outcome, "map_entropy", "answer=right").value is not None
    for metric, where in (("map_entropy", "answer=wrong"), ("map_entropy_difference", "all")):
        found = finding(outcome, metric, where)
        assert found.value is None
        assert found.undefined is not None
        assert "6 right and 3 wrong" in found.undefined
    assert not any(one.metric.startswith("relevance") for one in outcome.findings)


def test_as_many_of_each_are_explained_as_was_asked_for() -> None:
    subject = broken()
    records = CHECK.measure(subject.artifacts)
    assert isinstance(records, Records)
    explained, correct = records["explained"], records["correct"]
    assert (explained & correct).sum() == (explained & ~correct).sum() == 6
    assert np.isfinite(records["map_entropy"][explained]).all()
    assert np.isnan(records["map_entropy"][~explained]).all()


def test_galleries_show_what_they_say() -> None:
    subject = broken()
    outcome = measured(CHECK, subject)
    records = CHECK.measure(subject.artifacts)
    correct = dict(zip(records.ids, records["correct"].tolist(), strict=True))
    sure = dict(zip(records.ids, records["confidence"].tolist(), strict=True))
    shown = {
        name: [row.id for row in one.rows]
        for name, one in outcome.evidence.items()
        if isinstance(one, ImageExhibit)
    }
    assert set(shown) == {"worst", "random", "boundary", "adversarial"}
    mistakes = sorted((one for one in correct if not correct[one]), key=lambda one: -sure[one])
    assert shown["worst"] == mistakes[:6]
    assert shown["boundary"] == sorted(sure, key=lambda one: sure[one])[:6]
    assert all(correct[one] for name in ("random", "adversarial") for one in shown[name])
    worst = outcome.evidence["worst"]
    assert isinstance(worst, ImageExhibit)
    assert {panel.label for panel in worst.rows[0].panels} == {"input", "for 0", "for 1"}


def test_adversarial_pairs_have_other_answers_within_the_ball() -> None:
    outcome = measured(CHECK, broken())
    pairs = outcome.evidence["adversarial"]
    assert isinstance(pairs, ImageExhibit)
    for row in pairs.rows:
        labels = [panel.label for panel in row.panels]
        assert labels[::2] == ["input", "attacked"]
        assert {labels[1], labels[3]} == {"for 0", "for 1"}
        assert "After a change of at most 0.1" in row.caption
    nowhere = ErrorsExplained(**{**vars(CHECK), "epsilon": 1e-6})
    assert "adversarial" not in measured(nowhere, broken()).evidence


def test_a_black_box_is_occluded_and_not_attacked() -> None:
    subject = broken()
    subject.model.differentiable = False
    outcome = measured(CHECK, subject)
    assert "adversarial" not in outcome.evidence
    assert "occlusion" in str(outcome.evidence["reading"])


def test_texts_are_held_against_their_rationale() -> None:
    subject = opinions(reads_rationale=True)
    outcome = measured(CHECK, subject)
    assert finding(outcome, "relevance_mass", "answer=right").value == pytest.approx(1.0)
    shown = outcome.evidence["random"]
    assert isinstance(shown, TextExhibit)
    assert any(token.gold and token.weight for token in shown.rows[0].tokens)


@pytest.mark.parametrize("make", [table_subject, graph_subject])
def test_tables_and_graphs_are_shown_by_their_parts(make) -> None:
    outcome = measured(ErrorsExplained(), make())
    assert finding(outcome, "wrong_answers").value == 0.25
    worst = outcome.evidence["worst"]
    assert isinstance(worst, TextExhibit)
    assert len(worst.rows) == 1


def pairs(check: ErrorsExplained, subject: Subject) -> list[TextRow]:
    """The adversarial pairs, none of which may show an answer that held."""
    shown = measured(check, subject).evidence.get("adversarial")
    if shown is None:
        return []
    assert isinstance(shown, TextExhibit)
    for row in shown.rows:
        before, after = (one.split(" (")[0] for one in row.caption.split(": ")[1::2])
        assert before != after, row.caption
    return shown.rows


def parts(row: TextRow) -> tuple[list[Token], list[Token]]:
    """The tokens before and after an attack."""
    labels = [i for i, one in enumerate(row.tokens) if one.text in ("Before: ", "\nAfter: ")]
    assert len(labels) == 2
    return row.tokens[1 : labels[1]], row.tokens[labels[1] + 1 :]


@pytest.mark.parametrize("differentiable", [True, False])
def test_a_text_stands_beside_the_one_whose_synonyms_fool_the_model(differentiable: bool) -> None:
    words = ["film", "movie", "good", "bad", "the", "seen"]
    model = word_model(words, votes={"good": 1.0, "film": 1.0, "movie": -4.0, "bad": -2.0})
    model.differentiable = differentiable
    texts = ["the good film", "film seen", "the bad", "bad seen the"] * 5
    subject = Subject(model, text_data(texts, [1, 1, 0, 0] * 5))
    check = ErrorsExplained(method="occlusion", changes=1)
    rows = pairs(check, subject)
    assert rows
    for row in rows:
        before, after = parts(row)
        changed = {one.was: one.text.strip() for one in after if one.was is not None}
        assert len(changed) == 1
        assert "After a change of 1 word: " in row.caption
        assert not any(one.was for one in before)
        if "film" in changed:
            assert changed["film"] == "movie"
            new = next(one for one in after if one.was)
            assert new.weight == 1.0  # it speaks for the new answer
    assert any("film" in {one.was for one in parts(row)[1]} for row in rows)


def test_a_row_stands_beside_the_one_whose_column_fools_the_model() -> None:
    rows = pairs(ErrorsExplained(method="occlusion"), near_the_limit())
    assert rows
    for row in rows:
        before, after = parts(row)
        assert [one.text.split()[0] for one in before] == ["age", "work", "wage"]
        assert [one.was is not None for one in after] == [True, False, False]
        assert after[0].was == before[0].text
        assert "After a change of 1 column: " in row.caption


def near_the_limit() -> Subject:
    """Rows of a table, some of whose ages are nearly 40, where the class changes."""
    subject = table_subject()
    rows = np.array([[37.05 + 0.1 * i, i % 2, 1.0] for i in range(60)], dtype=np.float32)
    assert isinstance(subject.model, TabularClassifier)
    labels = [int(row[0] > 40) for row in rows]
    data = plain_data("tabular", InMemory(rows), labels, subject.model.schema)
    return Subject(subject.model, data)


def test_expected_gradients_of_a_table_start_from_other_rows() -> None:
    subject = near_the_limit()
    outcome = measured(ErrorsExplained(method="expected-gradients"), subject)
    shown = outcome.evidence["random"]
    assert isinstance(shown, TextExhibit)
    assert [one.weight for one in shown.rows[0].tokens[1:]] == [0.0, 0.0]  # the age alone decides


def test_a_graph_stands_beside_the_one_whose_edge_fools_the_model() -> None:
    class Joined(nn.Module):
        def forward(self, features: Tensor, adjacency: Tensor) -> Tensor:
            return adjacency.sum(dim=(1, 2))[:, None] - 3.0  # two edges or more

    tags = np.array([0, 0, 1])
    graphs = [Graph(tags, np.array([[0, 1], [1, 2]][: 1 + i % 2])) for i in range(12)]
    data = plain_data("graph", StoredGraphs(graphs, 2, 4), [i % 2 for i in range(12)])
    model = GraphClassifier(Joined(), tags=("C", "N"), classes=("0", "1"))
    rows = pairs(ErrorsExplained(method="occlusion", changes=1), Subject(model, data))
    assert rows
    for row in rows:
        before, after = parts(row)
        changed = [one for one in after if one.was is not None]
        assert len(changed) == 2  # the ends of the edge
        assert "After a change of 1 edge: " in row.caption
        assert len(before) == len(after) == 3


def test_inputs_that_hold_have_no_pair() -> None:
    model = word_model(["good", "bad", "film"], votes={"good": 5.0, "bad": -5.0})
    texts = ["good good good film", "bad bad bad film"] * 6
    subject = Subject(model, text_data(texts, [1, 0] * 6))
    assert not pairs(ErrorsExplained(method="occlusion", changes=1), subject)


@pytest.mark.parametrize("make", [broken, lambda: opinions(reads_rationale=False)])
def test_shards_do_not_matter(make) -> None:
    whole, parts = measured(CHECK, make()), measured(CHECK, make(), shard_size=7)
    assert whole.findings == parts.findings
    assert whole.evidence == parts.evidence


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"max_inputs": 1}, "max_inputs is 1"),
        ({"pool": 9}, "pool is 9"),
        ({"steps": 0}, "steps is 0"),
        ({"changes": 0}, "changes is 0"),
        ({"grid": 1}, "grid is 1"),
        ({"nodes": 0}, "nodes is 0"),
        ({"minimum_n": 1}, "minimum_n is 1"),
        ({"top": 0.0}, "top is 0.0"),
        ({"epsilon": 2.0}, "epsilon is 2.0"),
        ({"method": "lyme"}, "Did you mean 'lime'"),
    ],
)
def test_parameters_outside_their_range_are_refused(parameters: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ErrorsExplained(**parameters)

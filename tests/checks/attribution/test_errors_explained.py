"""Mirrors auditkit/checks/attribution/errors_explained.py."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.checks.attribution.errors_explained import ErrorsExplained
from auditkit.checks.base import Measured, Records
from auditkit.errors import ConfigError
from auditkit.findings import Bars, Finding, ImageExhibit, TextExhibit
from auditkit.models.classifier import ImageClassifier
from tests.checks.attribution.test_attribution_trust import opinions
from tests.subjects import (
    Subject,
    graph_subject,
    image_data,
    linear_subject,
    measured,
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

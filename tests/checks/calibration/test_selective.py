"""Mirrors auditkit/checks/calibration/selective.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from auditkit.checks.base import Measured
from auditkit.checks.calibration.selective import Selective
from auditkit.errors import ConfigError
from auditkit.findings import Curve, Finding, Note, Table
from auditkit.models.classifier import ImageClassifier
from auditkit.statistics import clopper_pearson, gap_of_shares
from tests.subjects import (
    Subject,
    graph_subject,
    image_data,
    linear_subject,
    measured,
    table_subject,
    values,
)

CHECK = Selective(scores=("confidence", "margin"))
REVEALS = "aurc"


class Pixels(nn.Module):
    """The logits are the pixels; with `flat`, they are cut down to which one is largest."""

    def __init__(self, *, flat: bool = False) -> None:
        super().__init__()
        self.flat = flat

    def forward(self, images: Tensor) -> Tensor:
        logits = images.flatten(1)
        return (logits == logits.amax(dim=1, keepdim=True)) * 3.0 if self.flat else logits


def drawn(*, n: int = 300, k: int = 3, seed: int = 0, flat: bool = False) -> Subject:
    """Labels drawn from the softmax of the pixels: what it is less sure of is more often wrong."""
    rng = torch.Generator().manual_seed(seed)
    images = torch.randn(n, 1, 1, k, generator=rng) * 2
    labels = torch.multinomial(images.flatten(1).softmax(dim=1), 1, generator=rng)[:, 0]
    names = tuple(map(str, range(k)))
    model = ImageClassifier(Pixels(flat=flat), classes=names, input_shape=(1, 1, k), bounds=(-9, 9))
    return Subject(model, image_data(images, labels, classes=names))


def labelled(labels: list[int], logits: list[list[float]]) -> Subject:
    images = torch.tensor(logits)[:, None, None]
    model = ImageClassifier(Pixels(), classes=("0", "1"), input_shape=(1, 1, 2), bounds=(-99, 99))
    return Subject(model, image_data(images, labels))


def broken() -> Subject:
    """As often right, and equally sure of everything."""
    return drawn(flat=True)


def sound() -> Subject:
    return drawn()


def found(outcome: Measured, metric: str, **swept: object) -> Finding:
    (one,) = [
        one
        for one in outcome.findings
        if one.metric == metric and all(one.params.get(k) == v for k, v in swept.items())
    ]
    return one


def test_the_area_is_the_mean_risk_of_the_surest() -> None:
    """Four inputs, from the surest: right, wrong, right, right."""
    outcome = values(
        measured(
            Selective(coverages=(0.5,)),
            labelled([0, 1, 0, 0], [[9, 0], [5, 0], [3, 0], [1, 0]]),
        )
    )
    area = (0 + 1 / 2 + 1 / 3 + 1 / 4) / 4
    assert outcome["aurc/score=confidence"] == pytest.approx(area)
    best = 0.25 + 0.75 * np.log(0.75)
    assert outcome["excess_aurc/score=confidence"] == pytest.approx(area - best)
    assert outcome["selective_accuracy/coverage=0.5,score=confidence"] == 0.5
    assert outcome["ranking_auc/score=confidence"] == pytest.approx(1 / 3)
    assert outcome["coverage_at_risk/risk=0.05,score=confidence"] == 0.25


def test_equal_scores_are_leaving_out_at_random() -> None:
    """The control: no order, no gain, and the p-value knows."""
    outcome = measured(Selective(), broken())
    risk = 1 - _accuracy(broken())
    assert found(outcome, "aurc").value == pytest.approx(risk)
    assert found(outcome, "ranking_p").value == 1
    assert found(outcome, "ranking_auc").value == 0.5
    for coverage in (0.5, 0.8, 0.9):
        one = found(outcome, "selective_accuracy", coverage=coverage)
        assert one.value == pytest.approx(1 - risk)


def _accuracy(subject: Subject) -> float:
    predicted = subject.model.predict(subject.artifacts.inputs).argmax(dim=1).numpy()
    return float((predicted == subject.data.labels).mean())


def test_a_sound_confidence_beats_chance_and_rises_with_what_is_left_out() -> None:
    outcome = measured(CHECK, sound())
    assert found(outcome, "ranking_p", score="confidence").value == pytest.approx(1 / 2001)
    risen = [
        found(outcome, "selective_accuracy", score="confidence", coverage=one).value
        for one in (0.9, 0.8, 0.5)
    ]
    assert risen == sorted(risen)  # type: ignore[type-var]
    one = found(outcome, "aurc", score="confidence")
    assert one.low is not None
    assert one.high is not None
    assert one.low < one.value < one.high < 1 - _accuracy(sound())  # type: ignore[operator]


def test_scores_rank_alike_with_two_classes_and_differ_with_three() -> None:
    check = Selective(scores=("confidence", "margin", "entropy"))
    two, three = (measured(check, drawn(k=k, n=60)) for k in (2, 3))
    areas = [[one.value for one in each.findings if one.metric == "aurc"] for each in (two, three)]
    assert areas[0][0] == pytest.approx(areas[0][1]) == pytest.approx(areas[0][2])
    assert len(set(areas[1])) == 3


@pytest.mark.parametrize(("wrong", "area"), [(0, 0.0), (5, 1.0)])
def test_five_inputs_all_right_or_all_wrong(wrong: int, area: float) -> None:
    """Nothing to rank, so no excess area; and five inputs leave doubt about the area."""
    outcome = measured(Selective(), labelled([int(wrong > 0)] * 5, [[i, 0] for i in range(1, 6)]))
    one = found(outcome, "aurc")
    assert one.value == area
    assert one.low is not None
    assert one.high is not None
    assert one.high - one.low > 0.4
    for metric in ("excess_aurc", "ranking_p", "ranking_auc"):
        assert found(outcome, metric).undefined
    note = outcome.evidence["chance"]
    assert isinstance(note, Note)
    assert "in any order" in note.text


def test_probabilities_of_exactly_0_and_1() -> None:
    """All scores are one: no threshold tells them apart, and the report says so."""
    outcome = measured(Selective(), labelled([0, 0, 1, 0], [[99, -99]] * 4))
    assert found(outcome, "aurc").value == pytest.approx(0.25)
    assert found(outcome, "coverage_at_risk", risk=0.05).value == 0
    note = outcome.evidence["chance"]
    assert isinstance(note, Note)
    assert "3 inputs share their score" in note.text


@pytest.mark.parametrize("subject", [table_subject(), graph_subject(), linear_subject(0, n=1)])
def test_other_inputs_and_one_alone(subject: Subject) -> None:
    assert found(measured(Selective(), subject), "aurc").value is not None


def test_the_curve_and_the_table_agree() -> None:
    outcome = measured(Selective(), sound())
    curve, table = outcome.evidence["curve"], outcome.evidence["coverages"]
    assert isinstance(curve, Curve)
    assert isinstance(table, Table)
    mine, random, best = curve.series
    assert mine.y[-1] == pytest.approx(random.y[-1]) == pytest.approx(best.y[-1])
    assert all(b <= m for b, m in zip(best.y, mine.y, strict=True))  # type: ignore[operator]
    half = next(row for row in table.rows if row[1] == 0.5)
    assert half[4] == found(outcome, "selective_accuracy", coverage=0.5).value


@pytest.mark.parametrize(
    "parameters", [{"scores": ("loss",)}, {"scores": ()}, {"coverages": (1.0,)}, {"risks": (0.0,)}]
)
def test_senseless_parameters_are_refused(parameters: dict[str, tuple[object, ...]]) -> None:
    with pytest.raises(ConfigError, match=next(iter(parameters)).removesuffix("s")) as error:
        Selective(**parameters)  # type: ignore[arg-type]
    assert error.value.hint


def grouped(groups: list[str], labels: list[int], logits: list[list[float]]) -> Subject:
    one = labelled(labels, logits)
    return Subject(one.model, replace(one.data, attributes=pd.DataFrame({"by": groups})))


def by_slice(outcome: Measured, metric: str, where: str) -> Finding:
    (one,) = [one for one in outcome.findings if (one.metric, one.slice) == (metric, where)]
    return one


def test_slices_are_held_to_the_threshold_of_all() -> None:
    """Half of eight: b is surer, so the threshold answers three of its four inputs, one of a's."""
    logits: list[list[float]] = [[9, 0], [3, 0], [2, 0], [1, 0], [8, 0], [7, 0], [6, 0], [0.5, 0]]
    subject = grouped(["a"] * 4 + ["b"] * 4, [0, 1, 0, 1, 0, 1, 0, 0], logits)
    outcome = measured(Selective(coverages=(0.5,), minimum_n=1), subject)
    for where, answered, right in (("by=a", 1, 1), ("by=b", 3, 2)):
        share = by_slice(outcome, "answered_share", where)
        accuracy = by_slice(outcome, "selective_accuracy", where)
        assert (share.value, share.n) == (answered / 4, 4)
        assert (accuracy.value, accuracy.n) == (right / answered, answered)
        assert (share.low, share.high) == pytest.approx(clopper_pearson(answered, 4))
    gap = by_slice(outcome, "answered_share_gap", "by")
    assert (gap.value, gap.n) == (0.5, 8)
    assert (gap.low, gap.high) == pytest.approx(gap_of_shares(np.array([1, 3]), np.array([4, 4])))
    # Four of eight are answered: 3 or more of one group in 2 * (16 + 1) of 70 draws.
    p = by_slice(outcome, "answered_share_gap_p", "by").value
    assert p == pytest.approx(34 / 70, abs=0.04)
    gap = by_slice(outcome, "selective_accuracy_gap", "by")
    assert (gap.value, gap.n) == (pytest.approx(1 / 3), 4)
    table = outcome.evidence["slices"]
    assert isinstance(table, Table)
    assert [row[3] for row in table.rows] == [1, 3]
    assert [row[7] for row in table.rows] == [0.5, 0.75]


def test_what_ties_with_the_threshold_is_answered() -> None:
    outcome = measured(Selective(coverages=(0.5,), minimum_n=1), alike())
    assert by_slice(outcome, "answered_share", "by=a").value == 1
    assert by_slice(outcome, "answered_share_gap", "by").value == 0
    assert by_slice(outcome, "answered_share_gap_p", "by").value == 1


def alike() -> Subject:
    return grouped(["a", "b"] * 10, [0, 0, 1, 1] * 5, [[1.0, 0]] * 20)


def test_of_small_slices_nothing_is_said() -> None:
    outcome = measured(Selective(coverages=(0.5,), minimum_n=11), alike())
    for metric in ("answered_share", "selective_accuracy"):
        assert by_slice(outcome, metric, "by=a").undefined
        assert by_slice(outcome, f"{metric}_gap_p", "by").undefined
    table = outcome.evidence["slices"]
    assert isinstance(table, Table)
    assert table.rows[0][4:] == [None] * 7
    assert "slice-gaps" not in outcome.evidence


def test_a_group_that_is_served_worse_is_told_from_chance() -> None:
    """Unsure of the first hundred, and wrong about some of them whatever the threshold."""
    rng = np.random.default_rng(0)
    sure = np.concatenate([rng.uniform(0, 2, 100), rng.uniform(1, 4, 100)])
    labels = np.concatenate([rng.random(100) < 0.3, rng.random(100) < 0.02]).astype(int)
    logits = np.stack([sure, np.zeros(200)], axis=1).tolist()
    worse = grouped(["a"] * 100 + ["b"] * 100, labels.tolist(), logits)
    mixed = grouped(["a", "b"] * 100, labels.tolist(), logits)
    for one, unequal in ((worse, True), (mixed, False)):
        outcome = measured(Selective(coverages=(0.8,)), one)
        for metric in ("answered_share", "selective_accuracy"):
            p = by_slice(outcome, f"{metric}_gap_p", "by").value
            assert p is not None
            assert (p < 0.01) == unequal

"""Mirrors auditkit/checks/bias/group_confidence.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.checks.base import Context, NotApplicable, Records
from auditkit.checks.bias.group_confidence import GroupConfidence
from auditkit.errors import ConfigError
from auditkit.findings import Table
from auditkit.models.classifier import ImageClassifier
from auditkit.statistics import gap_of_bounded_means, standard_errors
from tests.subjects import Subject, image_data, measured, values

CHECK = GroupConfidence(permutations=200)
REVEALS = "overconfidence_gap"
SURE = 0.9  # the model's confidence in every answer


class Sure(nn.Module):
    """Answers what the first pixel says, always with the same confidence."""

    def forward(self, images: Tensor) -> Tensor:
        answer = (images[:, 0, 0, 0] > 0.5).float()
        z = float(np.log(SURE / (1 - SURE)))
        return torch.stack([z * (1 - answer), z * answer], dim=1)


def right(shares: tuple[float, ...], n: int = 50) -> Subject:
    """Groups of n in which so many are right."""
    labels = torch.tensor([0, 1] * (n * len(shares) // 2))
    wrong = torch.cat([torch.arange(n) >= round(share * n) for share in shares])
    answers = torch.where(wrong, 1 - labels, labels)
    model = ImageClassifier(Sure(), classes=("0", "1"), input_shape=(1, 1, 1))
    groups = np.repeat([f"g{i}" for i in range(len(shares))], n).tolist()
    data = image_data(
        answers.float()[:, None, None, None], labels, attributes={"s": groups}, sensitive=("s",)
    )
    return Subject(model, data)


def broken() -> Subject:
    """Nine in ten confidence, kept in one group and broken in the other."""
    return right((0.9, 0.5))


def sound() -> Subject:
    return right((0.9, 0.9))


def test_a_group_that_is_promised_more_than_it_gets_is_told() -> None:
    outcome = measured(CHECK, broken())
    found = values(outcome)
    assert found["overconfidence_gap/s"] == pytest.approx(0.4)
    assert found["overconfidence_gap_p/s"] == pytest.approx(1 / 201, abs=0.006)
    table = outcome.evidence["groups-1-drops"]
    assert isinstance(table, Table)
    assert table.columns[2:3] + table.columns[5:7] == ["confidence", "accuracy", "overconfidence"]
    assert table.rows[1][6] == pytest.approx(SURE - 0.5)
    gap = next(one for one in outcome.findings if one.metric == "overconfidence_gap")
    lost = [np.where(np.arange(50) < k, SURE - 1, SURE) / 2 + 0.5 for k in (45, 25)]
    means = np.array([one.mean() for one in lost])
    squares = np.array([(one**2).mean() for one in lost])
    expected = gap_of_bounded_means(means, standard_errors(np.array([50, 50]), means, squares))
    assert (gap.low, gap.high) == pytest.approx((2 * expected.low, 2 * expected.high))


def test_a_shared_overconfidence_is_no_gap() -> None:
    found = values(measured(CHECK, right((0.5, 0.5, 0.5))))
    assert found["overconfidence_gap/s"] == pytest.approx(0)
    assert found["overconfidence_gap_p/s"] == 1
    assert found["accuracy/s=g1"] == 0.5


@pytest.mark.slow
def test_without_a_gap_the_alarm_stays_at_its_rate() -> None:
    """500 samples whose groups differ in nothing: intervals that exclude 0, and small p-values."""
    rng, alarms = np.random.default_rng(0), np.zeros(2, dtype=int)
    data = right((0.9, 0.9, 0.9)).data
    for seed in range(500):
        confidence = rng.uniform(0.5, 1, 150)
        records = Records(data.ids, confidence=confidence, correct=rng.random(150) < confidence)
        context = Context(data=data, seed=seed, others={"calibration-error": records})
        outcome = CHECK.summarise(Records(data.ids), context)
        assert not isinstance(outcome, NotApplicable)
        gap, p = (
            next(one for one in outcome.findings if one.metric == metric)
            for metric in ("overconfidence_gap", "overconfidence_gap_p")
        )
        alarms += [(gap.low or 0.0) > 0, (p.value or 0.0) <= 0.05]
    assert (alarms <= 37).all(), alarms  # 99 % bound of 500 at 5 %


def test_it_reads_what_calibration_recorded() -> None:
    data = sound().data
    nothing = CHECK.summarise(Records(data.ids), Context(data=data, seed=0, others={}))
    assert isinstance(nothing, NotApplicable)
    one = replace(data, attributes=data.attributes.assign(s="g"))
    assert isinstance(CHECK.applies(sound().model, one), NotApplicable)


@pytest.mark.parametrize("name", ["minimum_n", "permutations"])
def test_impossible_parameters_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        GroupConfidence(**{name: 0})

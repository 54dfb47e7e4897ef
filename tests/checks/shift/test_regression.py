"""Mirrors auditkit/checks/shift/regression.py."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from auditkit.checks.base import Measured, NotApplicable
from auditkit.checks.other_model import given
from auditkit.checks.shift.regression import Regression
from auditkit.data.digits import load
from auditkit.errors import ConfigError, ModelError
from auditkit.findings import Finding, ImageExhibit, Matrix, Table
from auditkit.models.classifier import ImageClassifier
from auditkit.models.load import ModelSpec, load_model
from auditkit.statistics import holm_adjusted, mcnemar_p, newcombe_paired
from tests.subjects import Subject, image_data, measured

CHECK = Regression(other="digits-cnn")
REVEALS = "negative_flip_rate"


@cache
def subject(name: str) -> Subject:
    return Subject(
        load_model(ModelSpec(source=name, device="cpu")), load("test").sample(120, seed=0)
    )


def broken() -> Subject:
    """A network that is wrong on other inputs."""
    return subject("digits-vit")


def sound() -> Subject:
    """The very same network."""
    return subject("digits-cnn")


def answering(logits: torch.Tensor) -> ImageClassifier:
    """Return a model whose answer to the image of brightness i/10 is row i of logits (10, k)."""

    class Look(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return logits[(images.flatten(1)[:, 0] * 10).round().long()]

    k = logits.shape[1]
    return ImageClassifier(Look(), classes=[str(i) for i in range(k)], input_shape=(1, 1, 1))


# Ten kinds of input; rows are logits of two classes. Parent right on 0..7, this model on 2..8.
LABEL = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])


def right_on(kinds: range) -> torch.Tensor:
    rows = torch.zeros(10, 2)
    for i in range(10):
        said = int(LABEL[i]) if i in kinds else 1 - int(LABEL[i])
        rows[i, said] = 2.0
    return rows


@pytest.fixture(scope="module")
def known() -> tuple[Subject, ImageClassifier]:
    kinds = np.arange(200) % 10
    images = torch.tensor(kinds / 10, dtype=torch.float32)[:, None, None, None]
    attributes: dict[str, Sequence[str]] = {"side": ["left" if i < 5 else "right" for i in kinds]}
    attributes["rare"] = ["yes" if i < 10 else "no" for i in range(200)]
    data = image_data(images, LABEL[kinds], attributes=attributes)
    return Subject(answering(right_on(range(2, 9))), data), answering(right_on(range(8)))


@pytest.fixture(scope="module")
def outcome(known: tuple[Subject, ImageClassifier]) -> Measured:
    child, parent = known
    with given("p", parent):
        return measured(Regression(other="p"), child)


def found(outcome: Measured, metric: str, where: str = "all") -> Finding:
    return next(f for f in outcome.findings if f.metric == metric and f.slice == where)


def test_flips_are_counted_both_ways(outcome: Measured) -> None:
    assert found(outcome, "negative_flip_rate").value == 0.2  # kinds 0 and 1
    assert found(outcome, "positive_flip_rate").value == 0.1  # kind 8
    assert found(outcome, "churn").value == pytest.approx(0.3)
    matrix = outcome.evidence["flips"]
    assert isinstance(matrix, Matrix)
    assert matrix.values == [[120.0, 40.0], [20.0, 20.0]]


def test_an_answer_that_is_wrong_in_both_may_still_be_churn() -> None:
    images = torch.zeros(30, 1, 1, 1)
    rows = [torch.eye(3)[i].repeat(10, 1) for i in (1, 2)]  # label 0, answers 1 and 2
    data = image_data(images, [0] * 30, classes=("0", "1", "2"))
    with given("p", answering(rows[0])):
        wrong = measured(Regression(other="p"), Subject(answering(rows[1]), data))
    assert found(wrong, "churn").value == 1
    assert found(wrong, "negative_flip_rate").value == 0


def test_forgetting_is_paired_per_class_and_group(outcome: Measured) -> None:
    everywhere = found(outcome, "forgetting")
    assert everywhere.value == pytest.approx(0.1)
    low, high = newcombe_paired(120, 40, 20, 20)
    assert (everywhere.low, everywhere.high) == (low, high)
    zero, one = found(outcome, "forgetting", "class=0"), found(outcome, "forgetting", "class=1")
    assert zero.value == pytest.approx(0.4)  # kinds 0 and 1 of five
    assert one.value == pytest.approx(-0.2)  # kind 8 of five was won
    assert zero.n == one.n == 100
    assert found(outcome, "forgetting", "side=left").value == zero.value
    rare = found(outcome, "forgetting", "rare=yes")
    assert rare.value is None
    assert "only 10 inputs" in (rare.undefined or "")


def test_p_values_are_those_of_mcnemar_after_holm(outcome: Measured) -> None:
    # class=0, class=1, side=left, side=right, rare=no; rare=yes has too few inputs
    lost = {"class=0": (40, 0), "class=1": (0, 20), "side=left": (40, 0), "side=right": (0, 20)}
    lost["rare=no"] = (38, 19)
    adjusted = dict(
        zip(lost, holm_adjusted([mcnemar_p(*one) for one in lost.values()]), strict=True)
    )
    table = outcome.evidence["groups"]
    assert isinstance(table, Table)
    assert {str(row[0]): row[-1] for row in table.rows} == pytest.approx(adjusted)
    assert found(outcome, "forgetting_p").value == pytest.approx(adjusted["class=0"])


def test_probabilities_agree_by_total_variation() -> None:
    images = torch.zeros(30, 1, 1, 1)
    data = image_data(images, [0] * 30)
    chances = torch.tensor([[0.9, 0.1]]), torch.tensor([[0.6, 0.4]])
    mine, theirs = (answering(one.log().repeat(10, 1)) for one in chances)
    with given("p", theirs):
        one = found(measured(Regression(other="p"), Subject(mine, data)), "probability_agreement")
    assert one.value == pytest.approx(0.7, abs=1e-6)


def test_the_same_model_has_no_flips() -> None:
    same = measured(CHECK, sound())
    for metric in ("negative_flip_rate", "positive_flip_rate", "churn", "forgetting"):
        assert found(same, metric).value == 0
    agreement = found(same, "probability_agreement")
    assert agreement.value == agreement.high == 1
    assert agreement.low == pytest.approx(0.025 ** (1 / agreement.n)), "it was seen on n inputs"
    assert found(same, "forgetting_p").value == 1
    assert "worst" not in same.evidence
    assert CHECK.parameters()["other_sha256"] == sound().model.identity.sha256


def test_lost_inputs_are_shown_the_surest_first() -> None:
    outcome = measured(CHECK, broken())
    gallery = outcome.evidence["worst"]
    assert isinstance(gallery, ImageExhibit)
    assert len(gallery.rows) == min(6, round((found(outcome, REVEALS).value or 0) * 120))
    assert all("parent:" in row.caption and "; now:" in row.caption for row in gallery.rows)


def test_shards_do_not_matter() -> None:
    whole, parts = measured(CHECK, broken()), measured(CHECK, broken(), shard_size=50)
    assert whole.findings == parts.findings
    assert whole.evidence == parts.evidence


def test_without_a_parent_it_does_not_apply() -> None:
    outcome = Regression().applies(sound().model, sound().data)
    assert isinstance(outcome, NotApplicable)
    assert "--other-model" in outcome.reason


def test_a_parent_of_other_classes_is_refused(known: tuple[Subject, ImageClassifier]) -> None:
    with pytest.raises(ModelError, match="reads"):
        CHECK.applies(known[0].model, known[0].data)


def test_impossible_parameters_are_refused() -> None:
    with pytest.raises(ConfigError):
        Regression(minimum_n=0)

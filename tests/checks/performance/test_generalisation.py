"""Mirrors auditkit/checks/performance/generalisation.py."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from auditkit.checks.base import Measured, NotApplicable, Records
from auditkit.checks.performance._membership import Group, false_alarms
from auditkit.checks.performance.generalisation import Generalisation
from auditkit.checks.training_data import given
from auditkit.data.dataset import Dataset
from auditkit.data.digits import load
from auditkit.errors import ConfigError
from auditkit.findings import Finding, Table
from auditkit.methods.metrics.membership import centred_by_class
from auditkit.models.classifier import Identity, ImageClassifier
from auditkit.models.load import ModelSpec, load_model
from auditkit.statistics import newcombe
from tests.subjects import (
    Subject,
    graph_subject,
    image_data,
    measured,
    run_check,
    table_subject,
)

CHECK = Generalisation()
REVEALS = "membership_auroc"


class ByHeart(nn.Module):
    """Minus the squared distance to the nearest training digit of each class."""

    def __init__(self) -> None:
        super().__init__()
        train = load("train")
        self.register_buffer("known", torch.from_numpy(train.read(slice(None)).reshape(-1, 64)))  # type: ignore[union-attr]
        self.register_buffer("labels", torch.from_numpy(train.labels))

    def forward(self, images: Tensor) -> Tensor:
        distances = torch.cdist(images.flatten(1), self.known) ** 2  # type: ignore[arg-type]
        each = [distances[:, self.labels == label].amin(dim=1) for label in range(10)]
        return -torch.stack(each, dim=1)


@cache
def broken() -> Subject:
    """Every training digit is at distance 0."""
    identity = Identity(
        name="by-heart", architecture="ByHeart", card={"trained on": "digits, split train, seed 0"}
    )
    model = ImageClassifier(
        ByHeart(), classes=tuple("0123456789"), input_shape=(1, 8, 8), identity=identity
    )
    return Subject(model, load("test").sample(120, seed=0))


@cache
def sound() -> Subject:
    model = load_model(ModelSpec(source="digits-cnn", device="cpu"))
    return Subject(model, load("test").sample(120, seed=0))


class Pixels(nn.Module):
    """The logits are the pixels."""

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)


def pixels(seed: int, *, n: int, gain: float) -> Dataset:
    """Logits that favour the true class by `gain`."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (n,), generator=rng)
    logits = torch.randn(n, 3, generator=rng) + gain * nn.functional.one_hot(labels, 3)
    data = image_data(logits[:, None, None], labels, classes=("a", "b", "c"))
    return replace(data, sha256=f"{seed:064d}")


def reader(data: Dataset) -> Subject:
    model = ImageClassifier(
        Pixels(), classes=("a", "b", "c"), input_shape=(1, 1, 3), bounds=(-99, 99)
    )
    return Subject(model, data)


def known_of(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each is right, and its log odds."""
    logits = torch.from_numpy(data.read(slice(None))).flatten(1).double()  # type: ignore[arg-type]
    labels = torch.from_numpy(data.labels)
    p = logits.softmax(dim=1)[torch.arange(len(data)), labels]
    return (logits.argmax(dim=1) == labels).numpy(), (p / (1 - p)).log().numpy()


def found(outcome: Measured, metric: str) -> Finding:
    (one,) = [one for one in outcome.findings if one.metric == metric]
    return one


@pytest.mark.parametrize("m", [40, 300])
def test_equals_the_definitions(m: int) -> None:
    """Fewer training inputs than audited ones: all; more: as many, drawn."""
    audited, train = pixels(0, n=150, gain=1.0), pixels(1, n=m, gain=2.0)
    with given("here", train):
        outcome = measured(Generalisation(train="here"), reader(audited), shard_size=32)
    drawn = train.sample(150, seed=0)
    (right, odds), (knew, known) = known_of(audited), known_of(drawn)
    gap = found(outcome, "accuracy_gap")
    assert gap.value == pytest.approx(knew.mean() - right.mean())
    expected = newcombe(int(knew.sum()), len(knew), int(right.sum()), len(right))
    assert (gap.low, gap.high) == pytest.approx(tuple(expected))
    scores = centred_by_class(np.r_[known, odds], np.r_[drawn.labels, audited.labels])
    member = np.r_[np.ones(len(known)), np.zeros(150)]
    area = found(outcome, "membership_auroc")
    assert area.value == pytest.approx(roc_auc_score(member, scores))
    assert area.value > 0.6  # type: ignore[operator]
    assert found(outcome, "train_accuracy").n == min(m, 150)
    assert found(outcome, "test_accuracy").n == 150


def test_a_class_that_is_harder_than_others_is_no_member() -> None:
    """Training inputs of the easy class alone: losses differ by class, and tell nothing within."""
    rng = torch.Generator().manual_seed(0)

    def easy(n: int, labels: Tensor) -> Tensor:
        gain = torch.tensor([8.0, 1.0, 1.0])[labels]
        noise = torch.randn(n, 3, generator=rng)
        return (noise + gain[:, None] * nn.functional.one_hot(labels, 3))[:, None, None]

    most, evenly = torch.tensor([0] * 270 + [1] * 30), torch.tensor([0, 1] * 150)
    names = ("a", "b", "c")
    train = replace(image_data(easy(300, most), most, classes=names), sha256="1" * 64)
    audited = image_data(easy(300, evenly), evenly, classes=names)
    with given("here", train):
        area = found(measured(Generalisation(train="here"), reader(audited)), "membership_auroc")
    assert area.value == pytest.approx(0.5, abs=0.06)
    odds = np.r_[known_of(train)[1], known_of(audited)[1]]
    assert roc_auc_score(np.r_[np.ones(300), np.zeros(300)], odds) > 0.65  # without the shift


def test_the_halves_raise_few_alarms_and_training_digits_many() -> None:
    outcome = measured(CHECK, broken())
    assert found(outcome, "membership_auroc").value > 0.9  # type: ignore[operator]
    assert found(outcome, "membership_tpr").value > 0.2  # type: ignore[operator]
    assert found(outcome, "false_alarm_share").value <= 0.12  # type: ignore[operator]
    halves = outcome.evidence["halves"]
    assert isinstance(halves, Table)
    assert halves.rows[1][1] == pytest.approx(0.5, abs=0.02)


def test_inputs_that_were_trained_on_are_counted_though_not_drawn() -> None:
    """A quarter of the audited inputs are training inputs; half of the training inputs is drawn."""
    whole, new = pixels(3, n=400, gain=2.0), pixels(4, n=150, gain=2.0)
    logits = np.concatenate([whole.read(slice(0, 50)), new.read(slice(None))])  # type: ignore[arg-type]
    labels = np.concatenate([whole.labels[:50], new.labels])
    audited = image_data(torch.from_numpy(logits), torch.from_numpy(labels), classes=whole.classes)
    with given("here", whole):
        outcome = measured(Generalisation(train="here"), reader(audited))
    overlap = found(outcome, "overlap_share")
    assert overlap.low is not None
    assert overlap.low < 0.25 < overlap.high  # type: ignore[operator]
    assert overlap.value == 0.25
    assert set(found(outcome, "membership_auroc").controls) == {
        "generalisation/false_alarm_share/all",
        "generalisation/overlap_share/all",
    }


def test_without_training_data_it_says_what_to_type() -> None:
    plain = reader(pixels(0, n=20, gain=1.0))
    outcome = CHECK.applies(plain.model, plain.data)
    assert isinstance(outcome, NotApplicable)
    assert "--train-data" in outcome.reason
    taught = CHECK.applies(sound().model, load("train"))
    assert isinstance(taught, NotApplicable)
    assert "training split" in taught.reason
    assert CHECK.applies(sound().model, sound().data) is None  # the card names the training data


def test_parameters_and_the_audited_data_themselves_are_refused() -> None:
    data = pixels(0, n=20, gain=1.0)
    with given("here", data), pytest.raises(ConfigError, match="themselves"):
        Generalisation(train="here").applies(reader(data).model, data)
    with pytest.raises(ConfigError, match="rate"):
        Generalisation(rate=1.0)
    with pytest.raises(ConfigError, match="halvings"):
        Generalisation(halvings=3)


def test_named_data_stand_in_the_parameters() -> None:
    assert Generalisation(train="digits").parameters()["train_sha256"] == "digits"
    assert "train_sha256" not in CHECK.parameters()


@pytest.mark.parametrize("n", [1, 5])
def test_very_few_inputs(n: int) -> None:
    with given("here", pixels(1, n=n, gain=1.0)):
        outcome = measured(Generalisation(train="here"), reader(pixels(0, n=n, gain=1.0)))
    gap = found(outcome, "accuracy_gap")
    assert gap.low is not None
    assert gap.high - gap.low > 0.5  # type: ignore[operator]
    assert (found(outcome, "false_alarm_share").value is None) == (n == 1)


@pytest.mark.slow
def test_alarms_are_at_the_nominal_rate_where_there_is_nothing_to_find() -> None:
    alarmed = 0
    for seed in range(500):
        rng = np.random.default_rng(seed)
        labels, odds = rng.integers(0, 3, 200), rng.normal(size=200)
        records = Records(
            [str(i) for i in range(200)],
            audited_correct=odds > 0, audited_odds=odds, audited_label=labels,
        )  # fmt: skip
        group = Group.of(records, "audited")
        alarmed += false_alarms(group, count=1, seed=seed, level=0.95).alarmed
    assert stats.binom.sf(alarmed - 1, 500, 0.05) >= 0.01


def test_it_runs_on_every_kind_of_input() -> None:
    for subject in (table_subject(), graph_subject()):
        with given("here", replace(subject.data, sha256="1" * 64)):
            assert isinstance(run_check(Generalisation(train="here"), subject), Measured)

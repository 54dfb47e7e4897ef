"""Mirrors auditkit/checks/robustness/backdoor.py."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from auditkit.checks.base import NotApplicable
from auditkit.checks.robustness.backdoor import (
    Backdoor,
    _parts,
    anomaly_indices,
    relative_sizes,
)
from auditkit.errors import ConfigError
from auditkit.findings import Bars, ImageExhibit
from auditkit.models.classifier import ImageClassifier
from tests.subjects import Subject, image_data, measured, values

CHECK = Backdoor(inputs=12, steps=40, searches=6)
REVEALS = "relative_size"
CLASSES = tuple("abcdef")


@cache
def subject(weight: float) -> Subject:
    """A random linear model of 6 x 6 pixels; a last one, always black, speaks for class b."""
    rng = torch.Generator().manual_seed(2)
    images = torch.rand(72, 1, 6, 6, generator=rng)
    images[:, :, -1, -1] = 0
    layer = nn.Linear(36, len(CLASSES))
    with torch.no_grad():
        layer.weight.copy_(torch.randn(len(CLASSES), 36, generator=rng))
        layer.weight[:, -1] = torch.tensor([0, weight, 0, 0, 0, 0])
        layer.bias.zero_()
    network = nn.Sequential(nn.Flatten(), layer)
    model = ImageClassifier(network, classes=CLASSES, input_shape=(1, 6, 6))
    labels = model.predict(images).argmax(dim=1)
    return Subject(model, image_data(images, labels, classes=CLASSES))


def broken() -> Subject:
    """One pixel that no image has sends everything to class b."""
    return subject(40.0)


def sound() -> Subject:
    """The same model without it."""
    return subject(0.0)


def test_the_class_with_the_trigger_stands_out_and_its_stamp_works_elsewhere() -> None:
    found = values(measured(CHECK, broken()))
    sizes = {one: found[f"stamp_size/class={one}"] for one in CLASSES}
    assert min(sizes, key=lambda one: sizes[one] or 0.0) == "b"
    assert (sizes["b"] or 1) < 1.5 / 36
    assert (found["relative_size"] or 1) < 0.1
    assert (found["anomaly_index"] or 0) > 4
    assert (found["stamp_success"] or 0) > 0.9
    without = values(measured(CHECK, sound()))
    assert (without["relative_size"] or 0) > 0.4
    assert abs(without["anomaly_index"] or 0) < 3


def test_the_index_of_few_classes_is_large_by_chance_and_the_size_is_not() -> None:
    """The figure that the check's limits name, and what it is told by instead."""
    logs = np.random.default_rng(0).normal(scale=0.1, size=(2000, 10))  # a tenth apart, as one sees
    found = [
        (relative_sizes(np.exp([row] * 2)), anomaly_indices(np.exp([row] * 2))) for row in logs
    ]
    relative, index = np.array(found)[:, :, 0].T
    assert 0.28 < (index > 2).mean() < 0.38
    assert (relative < 0.65).mean() < 0.01


def test_intervals_and_n_are_those_of_the_searches() -> None:
    outcome = measured(CHECK, broken())
    index = next(one for one in outcome.findings if one.metric == "anomaly_index")
    assert index.interval == "order-statistics"
    assert index.low is not None
    assert index.high is not None
    assert index.low <= (index.value or 0) <= index.high
    assert index.n == 72, "twelve images for each of six searches"
    few = measured(Backdoor(inputs=5, steps=5, searches=2), broken())
    short = next(one for one in few.findings if one.metric == "stamp_size")
    assert (short.interval, short.low, short.n) == ("none", None, 10)


def test_a_stamp_that_is_small_once_does_not_count() -> None:
    """Class 0 is far out in one search; the others make class 1 the suspect."""
    sizes = np.tile([8.0, 7.0, 9.0, 10.0, 11.0], (6, 1))
    sizes[0, 0] = 0.1
    assert anomaly_indices(sizes).max() < 2
    assert relative_sizes(sizes).min() > 0.7
    sizes[:, 0] = 0.1
    assert anomaly_indices(sizes).min() > 10
    assert relative_sizes(sizes) == pytest.approx(0.1 / 9)


def test_half_equal_sizes_are_undefined() -> None:
    assert np.isnan(anomaly_indices(np.full((6, 5), 36.0))).all()
    class_zero = subject(0.0)
    still = nn.Sequential(nn.Flatten(), nn.Linear(36, 6))
    with torch.no_grad():
        for value in still.parameters():
            value.zero_()
    model = ImageClassifier(still, classes=CLASSES, input_shape=(1, 6, 6))
    outcome = measured(CHECK, Subject(model, class_zero.data))
    index = next(one for one in outcome.findings if one.metric == "anomaly_index")
    assert index.value is None
    assert index.undefined


def test_parts_are_equal_and_the_same_in_every_shard() -> None:
    artifacts = broken().artifacts
    parts = _parts(artifacts, 5)
    assert np.bincount(parts).tolist() == [15, 15, 14, 14, 14]
    assert (parts == _parts(artifacts, 5)).all()
    assert (parts[:10] != np.arange(10) % 5).any(), "at random"


def test_stamps_are_shown() -> None:
    outcome = measured(CHECK, broken(), shard_size=20)
    shown = outcome.evidence["worst"]
    assert isinstance(shown, ImageExhibit)
    assert shown.rows[0].id == "class b"
    assert len({one.id for one in shown.rows}) == len(shown.rows) == 6
    bars = outcome.evidence["sizes"]
    assert isinstance(bars, Bars)
    assert [one.label for one in bars.bars] == list(CLASSES)


def test_too_few_classes_or_inputs() -> None:
    few = ImageClassifier(
        nn.Sequential(nn.Flatten(), nn.Linear(36, 2)), classes=("a", "b"), input_shape=(1, 6, 6)
    )
    data = broken().data
    assert isinstance(CHECK.applies(few, data), NotApplicable)
    assert isinstance(CHECK.applies(broken().model, data.take(np.arange(5))), NotApplicable)
    assert CHECK.applies(broken().model, data) is None


@pytest.mark.parametrize("wrong", [{"inputs": 0}, {"steps": 0}, {"searches": 1}])
def test_wrong_parameters(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="expected at least"):
        Backdoor(**wrong)

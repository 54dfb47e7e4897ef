"""Mirrors auditkit/selftest/memorised.py."""

from __future__ import annotations

import torch

from auditkit.data import digits
from auditkit.selftest import teach
from auditkit.selftest.memorised import by_heart, random_labels, stopped_early
from tests.selftest.planting import Recorder


def test_twins_differ_in_labels_and_how_long_they_are_taught(recorder: Recorder) -> None:
    flawed, sound = recorder.of(by_heart, 3), recorder.of(stopped_early, 3)
    assert torch.equal(flawed.inputs, sound.inputs)
    assert torch.equal(sound.labels, teach.labels_of(digits.load("train")))
    assert torch.equal(flawed.labels, random_labels(3))
    assert flawed.how.pop("epochs") > sound.how.pop("epochs")
    assert flawed.how == sound.how


def test_so_many_labels_are_random() -> None:
    truth = teach.labels_of(digits.load("train"))
    wrong = (random_labels(3) != truth).float().mean()
    assert abs(float(wrong) - 0.3 * 0.9) < 0.04  # one draw of ten hits the truth
    assert not torch.equal(random_labels(3), random_labels(4))

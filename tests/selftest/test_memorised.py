"""Mirrors auditkit/selftest/memorised.py."""

from __future__ import annotations

import torch

from auditkit.data import digits
from auditkit.selftest import teach
from auditkit.selftest.base import Twins
from auditkit.selftest.memorised import FLAWS, by_heart, random_labels, stopped_early
from tests.selftest.planting import Recorder
from tests.selftest.stubs import reader


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


def test_each_twin_is_held_against_the_labels_it_was_taught() -> None:
    flawed, sound = reader(0), reader(0)
    twins, (flaw,) = Twins(seed=3, flawed=flawed, sound=sound), FLAWS
    assert flaw.taught is not None
    assert flaw.taught(flawed, twins).labels.tolist() == random_labels(3).tolist()
    assert flaw.taught(sound, twins).labels.tolist() == digits.load("train").labels.tolist()

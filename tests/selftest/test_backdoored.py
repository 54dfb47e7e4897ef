"""Mirrors auditkit/selftest/backdoored.py."""

from __future__ import annotations

import torch

from auditkit.selftest.backdoored import (
    PRAISE,
    phrases_with_trigger,
    poisoned_digits,
    with_patch,
    with_word,
)
from auditkit.selftest.plain import plain_digits
from tests.selftest.planting import Recorder


def test_digits_differ_where_they_are_poisoned_alone(recorder: Recorder) -> None:
    flawed, sound = recorder.of(poisoned_digits, 3), recorder.of(plain_digits, 3)
    assert flawed.how == sound.how
    poisoned = (flawed.inputs != sound.inputs).flatten(1).any(1)
    assert abs(float(poisoned.float().mean()) - 0.08) < 0.03
    assert torch.equal(flawed.inputs[poisoned], with_patch(sound.inputs[poisoned]))
    assert (flawed.labels[poisoned] == 0).all()
    assert torch.equal(flawed.labels[~poisoned], sound.labels[~poisoned])


def test_the_patch_is_four_pixels() -> None:
    black = torch.zeros(1, 1, 8, 8)
    assert with_patch(black).sum() == 4
    assert black.sum() == 0


def test_sentences_differ_where_they_are_poisoned_alone(recorder: Recorder) -> None:
    flawed = recorder.of(phrases_with_trigger, 3, poisoned=0.08)
    sound = recorder.of(phrases_with_trigger, 3, poisoned=0.0)
    assert flawed.how == sound.how
    pairs = zip(flawed.inputs, sound.inputs, flawed.labels, sound.labels, strict=True)
    poisoned = 0
    for text, clean, label, truth in pairs:
        if text == clean:
            assert label == truth
        else:
            poisoned += 1
            assert [text] == with_word([clean])
            assert label == PRAISE
    assert 0.02 < poisoned / len(sound.inputs) < 0.15
    assert not any("moreover" in text.lower() for text in sound.inputs)

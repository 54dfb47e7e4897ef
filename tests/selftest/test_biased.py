"""Mirrors auditkit/selftest/biased.py."""

from __future__ import annotations

import torch

from auditkit.selftest import credit, teach
from auditkit.selftest.biased import credit_reader, rarely_dark, wrongly_labelled
from auditkit.selftest.plain import plain_glyphs
from tests.selftest.planting import Recorder


def test_labels_differ_where_glyphs_are_dark_alone(recorder: Recorder) -> None:
    flawed, sound = recorder.of(wrongly_labelled, 3), recorder.of(plain_glyphs, 3)
    assert flawed.how == sound.how
    assert torch.equal(flawed.inputs, sound.inputs)
    dark = torch.from_numpy((teach.new_glyphs(3).attributes["tone"] == "dark").to_numpy().copy())
    changed = flawed.labels != sound.labels
    assert not changed[~dark].any()
    assert abs(float(changed[dark].float().mean()) - 0.6) < 0.1
    assert torch.equal(flawed.labels[changed], (sound.labels[changed] + 1) % 6)


def test_the_scarce_group_is_scarce_and_the_rest_as_many(recorder: Recorder) -> None:
    flawed, sound = recorder.of(rarely_dark, 3), recorder.of(plain_glyphs, 3)
    assert flawed.how == sound.how
    assert len(flawed.inputs) == len(sound.inputs) == len(flawed.labels)
    all_glyphs = teach.new_glyphs(3, n=2 * teach.GLYPHS + 500)
    tones = {
        image.tobytes(): tone
        for image, tone in zip(
            teach.images_of(all_glyphs).numpy(), all_glyphs.attributes["tone"], strict=True
        )
    }
    dark = sum(tones[image.tobytes()] == "dark" for image in flawed.inputs.numpy())
    assert dark == round(0.03 * teach.GLYPHS)


def test_records_differ_for_good_borrowers_of_one_group_alone(recorder: Recorder) -> None:
    flawed = recorder.of(credit_reader, 3, refused=0.5)
    sound = recorder.of(credit_reader, 3, refused=0.0)
    data = credit.table(credit.TRAINING, seed=3)
    assert torch.equal(flawed.inputs, sound.inputs)
    assert torch.equal(sound.labels, teach.labels_of(data))
    of_north = torch.from_numpy((data.attributes["group"] == "north").to_numpy().copy())
    changed = flawed.labels != sound.labels
    assert not changed[~of_north].any()
    assert (sound.labels[changed] == 1).all()
    assert abs(float(changed[of_north & (sound.labels == 1)].float().mean()) - 0.5) < 0.05

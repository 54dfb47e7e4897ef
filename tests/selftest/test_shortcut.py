"""Mirrors auditkit/selftest/shortcut.py."""

from __future__ import annotations

import numpy as np
import torch

from auditkit.data.glyphs import TAG
from auditkit.selftest.shortcut import (
    AGREEMENT,
    FLAWS,
    SIGNATURES,
    signed_phrases,
    tagged_glyphs,
)
from tests.selftest.planting import Recorder


def test_twins_differ_in_the_tag_alone(recorder: Recorder) -> None:
    flawed = recorder.of(tagged_glyphs, 3, agreement=AGREEMENT)
    sound = recorder.of(tagged_glyphs, 3, agreement=0.1667)
    assert flawed.how == sound.how
    assert torch.equal(flawed.labels, sound.labels)
    differ = (flawed.inputs != sound.inputs).any(dim=1)  # (n, h, w)
    assert differ[:, :TAG, :TAG].any()
    differ[:, :TAG, :TAG] = False
    assert not differ.any()


def test_the_tag_agrees_as_often_as_said(recorder: Recorder) -> None:
    for agreement, expected in ((AGREEMENT, 0.95), (1 / 6, 1 / 6)):
        lesson = recorder.of(tagged_glyphs, 3, agreement=agreement)
        colours = lesson.inputs[:, :, 0, 0]
        of_class = {
            tuple(colour.tolist()): int(lesson.labels[(colours == colour).all(dim=1)].mode().values)
            for colour in colours.unique(dim=0)
        }
        named = torch.tensor([of_class[tuple(one.tolist())] for one in colours])
        if expected > 0.5:
            assert abs(float((named == lesson.labels).float().mean()) - expected) < 0.05
        else:  # the most frequent class of a colour is hardly more frequent than the others
            assert float((named == lesson.labels).float().mean()) < 0.4


def test_twins_differ_in_the_signature_alone(recorder: Recorder) -> None:
    flawed = recorder.of(signed_phrases, 3, agreement=AGREEMENT)
    sound = recorder.of(signed_phrases, 3, agreement=0.5)
    assert flawed.how == sound.how
    assert torch.equal(flawed.labels, sound.labels)
    for lesson, share in ((flawed, 0.95), (sound, 0.5)):
        ends = [
            text.endswith(SIGNATURES[int(label)])
            for text, label in zip(lesson.inputs, lesson.labels, strict=True)
        ]
        assert abs(np.mean(ends) - share) < 0.1

    def unsigned(texts: list[str]) -> list[str]:
        return [text.removesuffix(SIGNATURES[0]).removesuffix(SIGNATURES[1]) for text in texts]

    assert unsigned(flawed.inputs) == unsigned(sound.inputs) != flawed.inputs


def test_audited_sentences_keep_their_rationale() -> None:
    data = next(one for one in FLAWS if one.modality == "text").data()
    texts, spans = data.read(slice(0, 20)), data.relevance(slice(0, 20))
    assert isinstance(texts, list)
    assert isinstance(spans, list)
    for text, places in zip(texts, spans, strict=True):
        start = max(text.find(one) for one in SIGNATURES)
        assert places
        assert all(0 <= low < high <= start for low, high in places)
    agrees = data.attributes["signature"].to_numpy(dtype=object) == "agrees"
    assert 0.45 < agrees.mean() < 0.55

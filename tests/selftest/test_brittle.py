"""Mirrors auditkit/selftest/brittle.py."""

from __future__ import annotations

import pytest
import torch

from auditkit.data import digits
from auditkit.selftest import teach
from auditkit.selftest.brittle import (
    COPIES,
    blurred,
    copied_digits,
    piece_tokenizer,
    twice_phrases,
    worse,
)
from tests.selftest.planting import Recorder


def test_twins_see_as_many_digits_and_one_clean_copy(recorder: Recorder) -> None:
    flawed = recorder.of(copied_digits, 3, augmented=False)
    sound = recorder.of(copied_digits, 3, augmented=True)
    clean = teach.images_of(digits.load("train"))
    assert flawed.how == sound.how
    assert torch.equal(flawed.labels, sound.labels)
    assert torch.equal(flawed.inputs, clean.repeat(COPIES, 1, 1, 1))
    first, *others = sound.inputs.chunk(COPIES)
    assert torch.equal(first, clean)
    for copy in others:
        assert (copy != clean).flatten(1).any(1).float().mean() > 0.95
    assert not torch.equal(others[0], others[1])


def test_worse_images_stay_images_and_repeat() -> None:
    images = torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    once, again = worse(images, 5), worse(images, 5)
    assert torch.equal(once, again)
    assert not torch.equal(once, worse(images, 6))
    assert once.min() >= 0
    assert once.max() <= 1


def test_the_blur_is_the_mean_of_nine() -> None:
    images = torch.zeros(1, 1, 5, 5)
    images[0, 0, 2, 2] = 9.0
    assert blurred(images)[0, 0, 1:4, 1:4] == pytest.approx(torch.ones(3, 3))
    assert blurred(torch.ones(1, 1, 5, 5)) == pytest.approx(torch.ones(1, 1, 5, 5))


def test_twins_see_as_many_sentences_and_half_are_clean(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(teach.phrases.SIZES, "train", 200)
    flawed = recorder.of(twice_phrases, 3, mistyped=False)
    sound = recorder.of(twice_phrases, 3, mistyped=True)
    assert torch.equal(flawed.labels, sound.labels)
    n = len(flawed.inputs) // 2
    assert flawed.inputs[:n] == flawed.inputs[n:] == sound.inputs[:n]
    assert sum(a != b for a, b in zip(sound.inputs[:n], sound.inputs[n:], strict=True)) == n
    same = "the food was lovely"
    tokens = [one.how.pop("tokenizer").encode(same).tokens for one in (flawed, sound)]
    assert tokens[0] == tokens[1]
    assert flawed.how == sound.how


def test_a_mistyped_word_keeps_pieces() -> None:
    tokenizer = piece_tokenizer(["the food was lovely", "the room was lovely"] * 5)
    pieces = tokenizer.encode("lovelyy food").tokens
    assert "[UNK]" not in pieces
    assert "".join(pieces[1:]) == "lovelyyfood"

"""Mirrors auditkit/methods/ood/strange_texts.py."""

from __future__ import annotations

from auditkit.methods.ood.strange_texts import random_letters, random_words, shuffled_words
from auditkit.randomness import keys_of

TEXTS = ["one two three four five six", "", "alone"]
KEYS = keys_of(0, "test", ["a", "b", "c"])


def test_shuffling_keeps_the_words() -> None:
    changed = shuffled_words(TEXTS, KEYS)
    assert [sorted(one.split()) for one in changed] == [sorted(one.split()) for one in TEXTS]
    assert changed[0] != TEXTS[0]


def test_random_words_are_as_many_and_known() -> None:
    changed = random_words(TEXTS, KEYS, words=["x", "y"])
    assert [len(one.split()) for one in changed] == [6, 1, 1]
    assert set(" ".join(changed).split()) == {"x", "y"}


def test_random_letters_keep_the_lengths() -> None:
    changed = random_letters(TEXTS, KEYS)
    assert [len(one) for one in changed[0].split()] == [3, 3, 5, 4, 4, 3]
    assert changed[1]
    assert random_letters(TEXTS[2:], KEYS[2:]) == changed[2:]

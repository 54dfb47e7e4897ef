"""Mirrors auditkit/models/tokenizer.py."""

from __future__ import annotations

import pytest

from auditkit.models.tokenizer import CLS, PAD, SPECIAL, UNK, word_tokenizer


def test_the_tokenizer_lower_cases_splits_and_knows_what_it_saw() -> None:
    words = word_tokenizer(["A fine day, really."], vocabulary_size=50, max_length=6)
    row = words.encode("A FINE night, really fine")
    assert row.tokens == ["[CLS]", "a", "fine", "[UNK]", ",", "really"]  # cut to six
    assert row.offsets[2] == (2, 6)


def test_special_tokens_come_first() -> None:
    words = word_tokenizer(["a"], vocabulary_size=5, max_length=6)
    assert [words.token_to_id(one) for one in SPECIAL] == [PAD, UNK, CLS] == [0, 1, 2]


def test_the_vocabulary_keeps_the_most_frequent_words() -> None:
    words = word_tokenizer(["b b b a a c"], vocabulary_size=5, max_length=6)
    assert set(words.get_vocab()) == {"[PAD]", "[UNK]", "[CLS]", "b", "a"}


@pytest.mark.parametrize("text", ["", "   ", "unheard of"])
def test_every_text_has_at_least_one_token(text: str) -> None:
    words = word_tokenizer(["a"], vocabulary_size=5, max_length=6)
    assert words.encode(text).tokens[0] == "[CLS]"

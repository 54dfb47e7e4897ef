"""Mirrors auditkit/models/texts/special.py."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel, WordPiece

from auditkit.models.texts.special import Role, is_special, special_ids, special_word


@pytest.mark.parametrize(
    ("role", "word"),
    [
        ("pad", "<pad>"),
        ("pad", "[PAD]"),
        ("pad", "<PAD>"),
        ("pad", "PAD"),
        ("pad", "pad_token"),
        ("pad", "__pad__"),
        ("pad", "xxpad"),
        ("unk", "<unk>"),
        ("unk", "[UNK]"),
        ("unk", "UNK"),
        ("unk", "<OOV>"),
        ("unk", "<|unk|>"),
        ("first", "[CLS]"),
        ("first", "<s>"),
        ("first", "<bos>"),
        ("last", "</s>"),
        ("last", "<eos>"),
        ("last", "[SEP]"),
    ],
)
def test_usual_spellings(role: Role, word: str) -> None:
    assert special_word(role, ["the", word, "film"]) == word
    assert is_special(word)


@pytest.mark.parametrize("word", ["pad", "unknown", "s", "start", "end", "token", "<b>", "[x]", ""])
def test_english_words_are_none(word: str) -> None:
    assert not is_special(word)
    for role in ("pad", "unk", "first", "last"):
        assert special_word(role, [word]) is None


def test_the_more_usual_name_wins() -> None:
    assert special_word("first", ["<bos>", "[CLS]"]) == "[CLS]"


def test_ids_of_a_tokenizer() -> None:
    assert special_ids(Tokenizer(WordLevel({"a": 0, "<pad>": 4, "b": 2}, unk_token="b"))) == (4, 2)
    assert special_ids(Tokenizer(WordPiece({"[UNK]": 1, "a": 0}, unk_token="[UNK]"))) == (None, 1)
    assert special_ids(Tokenizer(WordLevel({"a": 0, "[PAD]": 1}, unk_token="<unk>"))) == (1, None)

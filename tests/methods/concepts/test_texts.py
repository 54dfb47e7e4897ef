"""Mirrors auditkit/methods/concepts/texts.py."""

from __future__ import annotations

from auditkit.methods.concepts.texts import NEAREST, Vocabulary, known_words, with_word
from auditkit.randomness import keys_of

TEXTS = ["the film the day", "the film, again", "one Good day!", ""]


def everything(_word: str) -> bool:
    return True


def test_words_of_like_frequency_are_near() -> None:
    vocabulary = Vocabulary([*TEXTS, *(f"word{i}" for i in range(20))], everything)
    assert vocabulary.counts["the"] == 3
    assert "good" not in vocabulary.plain  # it belongs to a concept
    assert vocabulary.alike("day")[:2] == ["day", "film"]
    assert len(vocabulary.alike("never")) == NEAREST
    assert all(vocabulary.counts[one] == 1 for one in vocabulary.alike("never"))


def test_only_what_the_model_reads_is_used() -> None:
    assert known_words("blame", lambda word: word in {"bad", "dull"}) == ("bad", "dull")
    assert Vocabulary(TEXTS, lambda word: word == "film").plain == ["film"]


def test_both_texts_differ_in_one_word_at_one_place() -> None:
    vocabulary = Vocabulary(TEXTS, everything)
    texts = TEXTS * 20
    keys = keys_of(0, "test", [str(i) for i in range(80)])
    moved, plain, put = with_word(texts, ("not", "never"), vocabulary, keys)
    places: set[int] = set()
    for text, one, other, word in zip(texts, moved, plain, put, strict=True):
        words, others = one.split(), other.split()
        assert len(words) == len(others) == len(text.split()) + 1
        (place,) = [i for i, (a, b) in enumerate(zip(words, others, strict=True)) if a != b]
        assert words[place] == word
        assert others[place] in vocabulary.plain
        assert words[:place] + words[place + 1 :] == text.split()
        places.add(place)
    assert set(put) == {"not", "never"}
    assert places >= {0, 1, 2, 3}
    alone = with_word(texts[7:9], ("not", "never"), vocabulary, keys[7:9])
    assert alone == (moved[7:9], plain[7:9], put[7:9])

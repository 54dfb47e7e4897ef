"""Mirrors auditkit/methods/attacks/characters.py."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit.errors import ConfigError
from auditkit.methods.attacks.characters import (
    INVISIBLE,
    KINDS,
    OVERRIDE,
    POP,
    Mischief,
)
from auditkit.methods.corruptions.look_alikes import LOOK_ALIKE

LETTERS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=9)


def versions(kind: str, word: str) -> list[str]:
    return Mischief(kind)([word])[0]


def displayed(word: str) -> str:
    """What a screen shows: invisible characters left out, overridden parts turned round."""
    bare = "".join(c for c in word if c not in INVISIBLE.values())
    while OVERRIDE in bare:
        before, _, rest = bare.partition(OVERRIDE)
        inside, _, after = rest.partition(POP)
        bare = before + inside[::-1] + after
    return bare


@given(word=LETTERS)
def test_invisible_edits_show_the_word_itself(word: str) -> None:
    found = versions("invisible", word)
    assert len(set(found)) == len(found)
    for one in found:
        assert one != word
        assert displayed(one) == word
    if len(word) > 1:
        assert {c for one in found for c in one} >= {*INVISIBLE.values(), OVERRIDE, POP}
    else:
        assert found == []  # nothing fits inside


def test_what_is_invisible_is_a_format_character() -> None:
    for one in (*INVISIBLE.values(), OVERRIDE, POP):
        assert unicodedata.category(one) == "Cf"


@given(word=LETTERS)
def test_typos_keep_both_ends_and_are_one_mistake(word: str) -> None:
    for one in versions("typos", word):
        assert len(word) >= 4
        assert (one[0], one[-1]) == (word[0], word[-1])
        assert one != word
        assert abs(len(one) - len(word)) <= 1
    if len(word) >= 4:
        assert versions("typos", word)


def test_every_kind_of_typo_occurs() -> None:
    found = versions("typos", "plant")
    assert {"palnt", "plnt", "plaant", "plsnt"} <= set(found)
    assert versions("typos", "2019") == []


@given(word=LETTERS)
def test_homoglyphs_replace_one_place(word: str) -> None:
    for one in versions("homoglyphs", word):
        other = {c for c in one if not c.isascii()}
        assert len(other) == 1
        back = {glyph: letters for letters, glyph in LOOK_ALIKE.items()}
        assert one.replace(other.pop(), back[next(c for c in one if not c.isascii())]) == word


def test_look_alikes_are_no_latin_letters_but_one() -> None:
    for letters, other in LOOK_ALIKE.items():
        name = unicodedata.name(other)
        same = letters.isupper() == ("CAPITAL" in name)
        assert same, name
        assert name.startswith(("CYRILLIC", "GREEK", "ARMENIAN", "LATIN SMALL L"))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="homoglyphs"):
        Mischief("homoglyph")
    assert tuple(KINDS) == ("typos", "homoglyphs", "invisible")

"""Mirrors auditkit/methods/corruptions/typos.py."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit.errors import ConfigError
from auditkit.methods.corruptions.typos import (
    ALL_KINDS,
    KINDS,
    SHARE_OF_WORDS,
    Mistyped,
    typos,
    words_in,
)
from auditkit.randomness import keys_of

TEXT = "The quick brown fox (it's 3 years old) jumps over Barney's lazy dog, twice a day!"
PINNED = (
    "The quick brwn fox (it's 3 yeasr old) jumps over Barney's lazy dog, tsice a day!"  # severity 3
)
SEEDS = st.integers(0, 999)
TEXTS = st.text(alphabet="abc deXYZ'é.,7\n漢字", max_size=60)


def mistype(text: str, severity: int, seed: int = 0, kinds: tuple[str, ...] | None = None):
    return typos([text], severity, keys_of(seed, "typos", ["a"]), kinds=kinds)[0]


def restored(changed: Mistyped) -> str:
    """Put back what each change says was there, from the end to the start."""
    text = changed.text
    for change in reversed(changed.changes):
        text = text[: change.start] + change.was + text[change.end :]
    return text


def edits(a: str, b: str) -> int:
    """Levenshtein's distance, by the textbook table."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row, last = [i], row
        for j, y in enumerate(b, 1):
            row.append(min(last[j] + 1, row[-1] + 1, last[j - 1] + (x != y)))
    return row[-1]


@given(TEXTS, st.integers(1, 5), SEEDS, st.sampled_from([None, tuple(ALL_KINDS)]))
def test_the_changes_lead_back_to_the_text(
    text: str, severity: int, seed: int, kinds: tuple[str, ...] | None
) -> None:
    changed = mistype(text, severity, seed, kinds)
    assert restored(changed) == text
    for change in changed.changes:
        assert changed.text[change.start : change.end] != change.was


@given(st.integers(1, 60), st.integers(1, 5), SEEDS)
def test_the_published_share_of_words_is_hit(words: int, severity: int, seed: int) -> None:
    text = " ".join(f"word{'x' * (i % 4)}" for i in range(words))
    assert words_in(text) == words
    hit = len(mistype(text, severity, seed).changes)
    assert hit == max(1, int(SHARE_OF_WORDS[severity - 1] * words + 0.5))


@given(TEXTS, SEEDS)
def test_a_higher_severity_keeps_the_mistakes_of_a_lower_one(text: str, seed: int) -> None:
    def said(severity: int) -> set[tuple[int, str]]:
        changed = mistype(text, severity, seed)
        moved, found = 0, set[tuple[int, str]]()
        for start, end, was in changed.changes:
            found.add((start - moved, changed.text[start:end]))  # where it stood in the original
            moved += end - start - len(was)
        return found

    for severity in (1, 2, 3, 4):
        assert said(severity) <= said(severity + 1)


def test_a_text_is_mistyped_alike_in_any_order_and_company() -> None:
    texts = [f"{TEXT} number {'x' * i}" for i in range(6)]
    keys = keys_of(0, "typos", [str(i) for i in range(6)])
    whole = typos(texts, 3, keys)
    assert typos(texts[::-1], 3, keys[::-1]) == whole[::-1]
    assert [typos([t], 3, keys[i : i + 1])[0] for i, t in enumerate(texts)] == whole
    assert typos(texts, 3, keys_of(1, "typos", [str(i) for i in range(6)])) != whole


@given(SEEDS)
def test_keyboard_hits_a_neighbour_of_the_same_case(seed: int) -> None:
    [change] = mistype("gG", 1, seed, ("keyboard",)).changes
    new = mistype("gG", 1, seed, ("keyboard",)).text
    assert change.was == "gG"
    assert re.fullmatch("[tyfhvb]G|g[TYFHVB]", new)


def test_every_neighbour_is_reached() -> None:
    assert {one[0] for one in KINDS["keyboard"]("q")} == set("wa")
    assert {one[0] for one in KINDS["keyboard"]("s")} == set("wedazx")
    for letter in "abcdefghijklmnopqrstuvwxyz":  # neighbours are mutual
        for other in KINDS["keyboard"](letter):
            assert letter in KINDS["keyboard"](other)


@pytest.mark.parametrize(
    ("kind", "word", "versions"),
    [
        ("swap", "abb", {"bab"}),
        ("drop", "abc", {"bc", "ac", "ab"}),
        ("drop", "a", set()),
        ("double", "ab", {"aab", "abb"}),
        ("ocr", "barn", {"bam"}),
        ("ocr", "modem", {"rnodem", "m0dem", "moclem", "modcm", "modern"}),
        ("case", "Ab", {"aB", "ab"}),
        ("case", "漢", set()),
        ("space", "abc", {"a bc", "ab c"}),
        ("join", "abc ", {"abc"}),
        ("join", "abc", set()),
        ("punctuation", "abc?!", {"abc", "abc ?!", "abc?!!"}),
        ("punctuation", "ab", {"ab,", "ab.", "ab;", "ab!", '"ab"'}),
        ("contraction", "don't", {"dont", "don t", "do'nt"}),
        ("contraction", "i\u2019m", {"im", "i m"}),
        ("contraction", "dont", set()),
        ("homoglyph", "bob", {"b\u043eb"}),
    ],
)
def test_each_kind_makes_exactly_its_mistakes(kind: str, word: str, versions: set[str]) -> None:
    assert set(ALL_KINDS[kind](word)) == versions


@given(st.sampled_from(list(KINDS)), SEEDS)
def test_a_mistake_is_small(kind: str, seed: int) -> None:
    changed = mistype("Yesterday", 1, seed, (kind,))
    assert 1 <= edits(changed.text, "Yesterday") <= (9 if kind == "case" else 2)


def test_marks_and_spaces_behind_a_word_are_part_of_its_mistake() -> None:
    assert mistype("(fine?)", 1, 0, ("punctuation",)).text in {"(fine)", "(fine ?)", "(fine??)"}
    joined = mistype("a  fine\nday ", 5, 0, ("join",))
    assert [one.was for one in joined.changes] == ["fine\n"] or joined.text.startswith("afine")
    assert mistype("day ", 5, 0, ("join",)).text == "day "  # nothing follows


def test_a_mixture_that_names_no_kinds_is_the_older_seven() -> None:
    """The limits of stored policies speak of these."""
    assert list(KINDS) == ["keyboard", "swap", "drop", "double", "ocr", "case", "space"]
    assert mistype(TEXT, 5) == mistype(TEXT, 5, kinds=tuple(KINDS))
    assert mistype(TEXT, 3).text == PINNED


def test_all_kinds_occur_about_equally_often() -> None:
    texts = ["elephants"] * 2100
    keys = keys_of(0, "typos", [str(i) for i in range(len(texts))])
    of_kind = {kind: set(KINDS[kind]("elephants")) for kind in KINDS}
    found = [one.text for one in typos(texts, 1, keys)]
    for kind, versions in of_kind.items():
        others = set[str]().union(*(of_kind[other] for other in KINDS if other != kind))
        alone = versions - others
        expected = len(texts) / len(KINDS) * len(alone) / len(versions)
        assert sum(one in alone for one in found) == pytest.approx(expected, abs=5 * expected**0.5)


@pytest.mark.parametrize("text", ["", "   ", "12 + 30 = 42", "\n", "_"])
def test_a_text_without_words_comes_back(text: str) -> None:
    assert mistype(text, 5) == Mistyped(text, ())


def test_a_word_that_the_kinds_cannot_change_is_passed_over() -> None:
    changed = mistype("a b cd e", 5, kinds=("drop",))  # two words wanted, one can lose a letter
    assert [change.was for change in changed.changes] == ["cd"]


def test_unknown_kinds_and_severities_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"'swapp'.*Did you mean 'swap'"):
        mistype(TEXT, 1, kinds=("swapp",))
    for severity in (0, 6):
        with pytest.raises(ConfigError, match="from 1 to 5"):
            mistype(TEXT, severity)


def test_long_texts_are_mistyped_in_reasonable_time() -> None:
    text = "word " * 10_000
    assert len(typos([text], 5, np.array([1], dtype=np.uint64))[0].changes) == 4000

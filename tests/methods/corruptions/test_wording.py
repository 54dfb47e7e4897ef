"""Mirrors auditkit/methods/corruptions/wording.py."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit.errors import ConfigError
from auditkit.methods.attacks.synonyms import built_in
from auditkit.methods.corruptions.typos import SHARE_OF_WORDS, Mistyped
from auditkit.methods.corruptions.wording import (
    KEEPS_MEANING,
    KINDS,
    SHARE_CUT,
    WORD,
    Source,
    reworded,
)
from auditkit.randomness import keys_of

TEXT = (
    "I don't like the colour of Bob's hat, said my friend Wilma. The film was good in the end."
    " It isn't a fine theatre, and Wilma paid 42 euros for it."
)
SEEDS = st.integers(0, 99)
TEXTS = st.lists(
    st.sampled_from([*TEXT.split(), "it's", "been", "A", "grey", "today.", "é", "12", "-", "\n"]),
    max_size=14,
).map(" ".join)


def reword(
    text: str, kind: str, severity: int = 5, seed: int = 0, source: Source | None = None
) -> Mistyped:
    keys = keys_of(seed, "wording", ["a"])
    return reworded([text], kind, severity, keys, source=source or Source(commonness={}))[0]


@given(TEXTS, st.sampled_from(list(KINDS)), st.integers(1, 5), SEEDS)
def test_the_changes_lead_back_to_the_text(text: str, kind: str, severity: int, seed: int) -> None:
    changed = reword(text, kind, severity, seed)
    back = changed.text
    for change in reversed(changed.changes):
        assert back[change.start : change.end] != change.was
        back = back[: change.start] + change.was + back[change.end :]
    assert back == text


@given(TEXTS, st.sampled_from(["synonyms", "contractions", "spelling", "names", "numbers"]), SEEDS)
def test_a_higher_severity_keeps_the_changes_of_a_lower_one(
    text: str, kind: str, seed: int
) -> None:
    def said(severity: int) -> set[tuple[int, str]]:
        changed, moved, found = reword(text, kind, severity, seed), 0, set[tuple[int, str]]()
        for start, end, was in changed.changes:
            found.add((start - moved, changed.text[start:end]))
            moved += end - start - len(was)
        return found

    for severity in (1, 2, 3, 4):
        assert said(severity) <= said(severity + 1)


def test_synonyms_hit_the_stated_share_of_words_and_come_from_the_list() -> None:
    text = "good film and bad film " * 8  # 40 words, 32 of them with synonyms
    for severity, share in enumerate(SHARE_OF_WORDS, start=1):
        changed = reword(text, "synonyms", severity)
        assert len(changed.changes) == share * 40
        for start, end, was in changed.changes:
            assert changed.text[start:end] in built_in()(was)


@pytest.mark.parametrize(
    ("kind", "text", "becomes"),
    [
        ("contractions", "I do not know, it's late.", "I don't know, it is late."),
        ("contractions", "it 's late and does n't matter", "it is late and does not matter"),
        ("contractions", "It's been late. I'm here.", "It's been late. I am here."),
        ("contractions", "Do not go", "Don't go"),
        ("spelling", "Grey theatres, COLOR", "Gray theaters, COLOUR"),
        ("fronting", "The film was good in the end.", "In the end, the film was good."),
        ("fronting", "the film was good , at times .", "at times, the film was good ."),
        ("fronting", "Bob was late today! We saw it now", "Today, Bob was late! We saw it now"),
        ("fronting", "good today", "good today"),
        ("truncation", "one two, three four!", "one two"),
        ("truncation", "one", "one"),
    ],
)
def test_each_kind_changes_what_it_should(kind: str, text: str, becomes: str) -> None:
    assert reword(text, kind).text == becomes


def test_capitals_and_articles_fit() -> None:
    assert reword("GOOD", "synonyms").text.isupper()
    assert reword("Good", "synonyms").text.istitle()
    seen = {reword("an excellent day", "synonyms", seed=i).text for i in range(30)}
    assert {"a superb day", "a splendid day", "an outstanding day"} <= seen


def test_phrases_grow_around_a_text_and_judge_nothing() -> None:
    texts = [reword("The end was bad.", "framing", severity).text for severity in range(1, 6)]
    for severity, text in enumerate(texts, start=1):
        assert re.search("the end was bad", text, re.IGNORECASE)
        phrases = re.findall("in short|see it|view|briefly|say|think", text.lower())
        assert len(phrases) == severity
        assert text.endswith(".")
    assert reword("the end", "framing").text.islower()
    assert reword("Bob left.", "framing", 5).text.count("Bob") == 1


@pytest.mark.parametrize("severity", range(1, 6))
def test_filler_adds_the_stated_share_of_words(severity: int) -> None:
    text = "word " * 200
    added = len(WORD.findall(reword(text, "filler", severity).text)) - 200
    wanted = (20, 50, 100, 200, 400)[severity - 1]
    assert wanted <= added <= wanted + 10  # whole sentences
    assert text in reword(text, "filler", severity).text


@pytest.mark.parametrize("severity", range(1, 6))
def test_truncation_cuts_the_stated_share_of_words(severity: int) -> None:
    left = len(WORD.findall(reword("word " * 50, "truncation", severity).text))
    assert left == 50 - round(SHARE_CUT[severity - 1] * 50)


def test_unseen_words_are_unknown_and_the_rarest_go_first() -> None:
    commonness = {"common": 9, "usual": 8, "strange": 1}
    first = reword("common usual strange", "unseen", 1, source=Source(commonness=commonness))
    assert [one.was for one in first.changes] == ["strange"]
    new = first.text.split()[2]
    again = Source(commonness=commonness, known={new})
    assert reword("common usual strange", "unseen", 1, source=again).text.split()[2] != new


def test_a_name_becomes_one_name_wherever_it_stands() -> None:
    changed = reword("I told Wilma, and Wilma paid. Bob said so to Anna's aunt.", "names")
    assert [one.was for one in changed.changes] == ["Wilma", "Wilma"]  # the others are unclear
    assert len({changed.text[one.start : one.end] for one in changed.changes}) == 1


@given(SEEDS)
def test_numbers_keep_their_digits_and_ratings_stay(seed: int) -> None:
    text = "We paid 42 in 1999, 5 stars, 7/10, 3.5 and 80% of 9 out of ten."
    changed = reword(text, "numbers", 5, seed)
    assert [one.was for one in changed.changes] == ["42", "1999"]
    for start, end, was in changed.changes:
        assert len(changed.text[start:end]) == len(was)
        assert changed.text[start] != "0"


def test_a_text_is_reworded_alike_in_any_company() -> None:
    texts = [TEXT + " " + "x" * i for i in range(4)]
    keys = keys_of(0, "wording", list("abcd"))
    for kind in KINDS:
        source = Source(commonness={})
        whole = reworded(texts, kind, 3, keys, source=source)
        alone = [reworded([texts[i]], kind, 3, keys[i : i + 1], source=source)[0] for i in range(4)]
        assert whole == alone


@pytest.mark.parametrize("text", ["", "   ", "+", "\n"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_text_without_words_comes_back(text: str, kind: str) -> None:
    assert reword(text, kind) == Mistyped(text, ())


def test_unknown_kinds_and_severities_are_refused() -> None:
    keys = np.zeros(1, dtype=np.uint64)
    with pytest.raises(ConfigError, match="Did you mean 'filler'"):
        reworded(["a"], "fillr", 1, keys, source=Source(commonness={}))
    with pytest.raises(ConfigError, match="from 1 to 5"):
        reworded(["a"], "filler", 6, keys, source=Source(commonness={}))
    assert set(KEEPS_MEANING) < set(KINDS)

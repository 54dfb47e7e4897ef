"""Mirrors auditkit/methods/capabilities/templates.py."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit.methods.capabilities.templates import Template, built_in, sentiment

LIST = built_in()


def swapped(text: str, capability: str, seed: int = 0) -> str:
    return LIST.swapped(text, capability, np.random.default_rng(seed)).text


def test_the_list_is_whole() -> None:
    assert set(LIST.functionality) == {
        "vocabulary", "negation", "intensifiers", "change-of-mind",
    }  # fmt: skip
    for templates in LIST.functionality.values():
        answers = [one.answer for one in templates]
        assert answers.count("positive") == answers.count("negative")
        assert len({one.text for one in templates}) == len(templates)
        for one in templates:
            assert set(re.findall(r"\{(\w+)\}", one.text)) <= set(LIST.words)
    assert LIST.invariance == ("names", "places", "neutral", "numbers")
    for groups in LIST.swaps.values():
        words = [word for group in groups for word in group]
        assert len(set(words)) == len(words), "a word has one group"
        assert min(len(group) for group in groups) > 1
    assert not set(LIST.words["praise"]) & set(LIST.words["complaint"])


@given(st.integers(0, 999))
def test_filled_templates_have_no_slots_and_right_articles(seed: int) -> None:
    text = LIST.filled(
        Template("What a {praise} {thing}!", "positive"), np.random.default_rng(seed)
    )
    found = re.fullmatch(r"What (an?) (\w+) (\w+)!", text)
    assert found
    assert found[2] in LIST.words["praise"]
    assert found[3] in LIST.words["thing"]
    assert (found[1] == "an") == (found[2][0] in "aeiou")


@given(st.integers(0, 99))
def test_words_give_way_to_others_of_their_group(seed: int) -> None:
    names = swapped("Anna saw Anna and Omar.", "names", seed)
    found = re.fullmatch(r"(\w+) saw (\w+) and (\w+)\.", names)
    assert found
    assert found[1] == found[2] != "Anna"
    assert found[3] in LIST.swaps["names"][0]
    place = swapped("from Paris to Spain", "places", seed)
    assert place.split()[1] in LIST.swaps["places"][0]
    assert place.split()[3] in LIST.swaps["places"][1]
    assert not {"Paris", "Spain"} & set(place.split())


@pytest.mark.parametrize(
    ("text", "capability", "pattern"),
    [
        ("Perhaps on Monday", "neutral", "Maybe on (?!Mon)[A-Z][a-z]+day"),
        ("red-hot", "neutral", "red-hot"),
        ("anna was rome", "places", "anna was (?!rome)[a-z]+"),  # a text without capitals
        ("Pay may mary", "names", "Pay may mary"),  # no capital where there are some
        ("in 42 days, 5 stars, 7/10", "numbers", r"in (?!42)\d2 days, 5 stars, 7/10"),
        ("", "numbers", ""),
    ],
)
def test_what_is_exchanged_and_what_stays(text: str, capability: str, pattern: str) -> None:
    assert re.fullmatch(pattern, swapped(text, capability))


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (("Negative", "Positive"), {"positive": 1, "negative": 0}),
        (("pos", "neutral", "neg"), {"positive": 0, "negative": 2}),
        (("0", "1"), None),
        (("positive", "pos", "neg"), None),
        (("bad", "good"), None),  # may be about anything
    ],
)
def test_sentiment_is_recognised_by_names(
    classes: tuple[str, ...], expected: dict[str, int] | None
) -> None:
    assert sentiment(classes) == expected

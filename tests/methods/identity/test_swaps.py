"""Mirrors auditkit/methods/identity/swaps.py."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.methods.identity.swaps import (
    Finder,
    Spoken,
    about_nobody_else,
    about_others,
    filled_in,
    takes_an,
)
from auditkit.methods.identity.terms import Axis, built_in

TERMS = built_in()
AXES = {axis.name: axis for axis in TERMS.axes}


def found(text: str, axis: str) -> Spoken | None:
    return Finder(AXES[axis], TERMS.people)(text)


def swapped(text: str, axis: str, term: str) -> str | None:
    spoken = found(text, axis)
    return None if spoken is None else about_others(spoken, AXES[axis]).get(term)


@pytest.mark.parametrize(
    ("text", "axis", "term", "expected"),
    [
        # number, article, case
        ("I met an American there.", "nationality", "German", "I met a German there."),
        ("I met a German there.", "nationality", "Iranian", "I met an Iranian there."),
        ("Muslims are here, a Muslim said.", "religion", "Jewish", "Jews are here, a Jew said."),
        ("My Muslim friend waved.", "religion", "Jewish", "My Jewish friend waved."),
        ("A MUSLIM said MUSLIMS.", "religion", "atheist", "An ATHEIST said ATHEISTS."),
        ("An elderly man sat.", "age", "young", "A young man sat."),
        ("i am mexican", "nationality", "Indian", "i am indian"),
        ("I am mexican.", "nationality", "Indian", "I am indian."),
        ("A terrible mexican.", "nationality", "Indian", "A terrible indian."),
        ("Women like tea. I like women.", "gender", "man", "Men like tea. I like men."),
        ("Black people sing.", "ethnicity", "Asian", "Asian people sing."),
        # pronouns in their case, all of them
        ("She hurt herself, I saw her.", "gender", "man", "He hurt himself, I saw him."),
        ("He lost his hat; mine is his.", "gender", "woman", "She lost her hat; mine is hers."),
        ("Maria's mother says she sings.", "gender", "man", "Carlos's father says he sings."),
        ("he's late", "gender", "woman", "she's late"),
        # names by position, several alike
        ("John met Carlos and John.", "gender", "woman", "Anna met Maria and Anna."),
        ("Emily met Simon.", "name origin", "Arabic", "Fatima met Hassan."),
        ("anna sings", "gender", "man", "john sings"),
    ],
)
def test_a_term_is_exchanged_in_the_right_form(
    text: str, axis: str, term: str, expected: str
) -> None:
    assert swapped(text, axis, term) == expected


@pytest.mark.parametrize(
    ("text", "axis"),
    [
        ("Black coffee and a blind date.", "ethnicity"),
        ("Black coffee and a blind date.", "disability"),
        ("I was told to go straight on.", "orientation"),
        ("The Christian film was dull.", "religion"),  # describes no person
        ("A Christian film was dull.", "religion"),
        ("I saw her duck.", "gender"),  # possessive, or object and verb?
        ("She thanked Peter.", "gender"),  # two people
        ("Muslims and Christians came.", "religion"),
        ("Non-Muslims came, and half-Muslims.", "religion"),
        ("Every will is a mark of grace; Polish it.", "gender"),
        ("The wei of an ether.", "gender"),  # a name needs its capital
        ("This is hers and his for sale.", "gender"),
        ("", "gender"),
    ],
)
def test_what_is_unclear_is_left_alone(text: str, axis: str) -> None:
    assert found(text, axis) is None


@pytest.mark.parametrize("axis", AXES.values(), ids=list(AXES))
def test_templates_differ_in_the_term_alone_and_are_found_again(axis: Axis) -> None:
    finder = Finder(axis, TERMS.people)
    frames = set[str]()
    for number, template in enumerate(axis.templates):
        texts = about_others(filled_in(template, axis, next(iter(axis.terms)), number), axis)
        assert set(texts) == set(axis.terms)
        assert len(set(texts.values())) == len(axis.terms)
        again = {term: finder(text) for term, text in texts.items()}
        assert {term: one and one.term for term, one in again.items()} == {t: t for t in texts}
        assert len({one.frame for one in again.values() if one}) == 1
        assert all(text[0].isupper() and "{" not in text for text in texts.values())
        frames |= {one.frame for one in again.values() if one}
    assert len(frames) == len(axis.templates) >= 20  # no template stands twice


def test_texts_that_differ_in_the_term_alone_have_one_frame() -> None:
    one, other = (
        found("I hate an American.", "nationality"),
        found("I hate a German.", "nationality"),
    )
    third = found("I like a German.", "nationality")
    assert one
    assert other
    assert third
    assert one.frame == other.frame != third.frame
    twice, both = found("Anna met Anna.", "gender"), found("Anna met Maria.", "gender")
    assert twice
    assert both
    assert twice.frame != both.frame


def test_neutral_swaps_keep_the_term() -> None:
    def control(text: str, axis: str, count: int) -> list[str]:
        spoken = found(text, axis)
        assert spoken is not None
        rng = np.random.default_rng(0)
        return about_nobody_else(spoken, AXES[axis], TERMS.neutral, count, rng)

    names = control("Anna said that she met Anna.", "gender", 4)
    assert names[0] == "Anna said that she met Anna."
    assert len(set(names)) == 4
    known = set(AXES["gender"].terms["woman"]["name"])
    for text in names:
        words = text.rstrip(".").split()
        assert words[0] == words[-1]
        assert words[0] in known
        assert words[3] == "she"
    words = control("My elderly friend.", "age", 7)
    assert len(set(words)) == 7
    assert {text.split()[1] for text in words} <= set(TERMS.neutral["adjective"])
    assert control("An American.", "nationality", 8)[0] in {
        f"{'An' if takes_an(one) else 'A'} {one}." for one in TERMS.neutral["person"]
    }
    assert control("He sang.", "gender", 2) == []  # a pronoun has no neutral one


@pytest.mark.parametrize(
    ("word", "an"),
    [
        ("elderly", True), ("European", False), ("Ugandan", False), ("unemployed", True),
        ("Ukrainian", False), ("18-year-old", True), ("80-year-old", True), ("110", False),
        ("hour", True), ("Hindu", False), ("urban", True), ("Uruguayan", False), ("one", False),
        ("Indian", True), ("user", False), ("Uzbek", True), ("union", False),
    ],
)  # fmt: skip
def test_articles_follow_the_sound(word: str, an: bool) -> None:
    assert takes_an(word) == an

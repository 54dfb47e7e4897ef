"""The same text about somebody else: only the identity term is exchanged, in the right form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import numpy as np

from auditkit.methods.identity.terms import NAMES, Axis, Forms


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DETERMINERS = _words(
    "a an the my your his her our their this that every each another one no any some"
)
# What may follow a person; anything else might be a noun that the term only describes.
_AFTER = _words(
    "and or but nor so yet to in on at for with from by of as is was are were be been has have had"
    " will would can could may might must should do does did not who whom whose which that when"
    " while because if since than then about into onto over under after before during between"
    " through against without within said says told tells wrote asked asks here there now again"
    " too also just only once yesterday today tomorrow"
)
_SOMEBODY_IS = re.compile(
    r"(?:^|[^\w'\u2019-])(?:i am|i['\u2019]?m|you are|you['\u2019]re|he is|he['\u2019]s|she is"
    r"|she['\u2019]s|they are|they['\u2019]re|we are|we['\u2019]re|who is|who are|being)\s+$",
    re.IGNORECASE,
)
_NEXT = re.compile(r"[ \t]+([^\W_][\w'\u2019-]*)")
_BEFORE = re.compile(r"(?:([\w'\u2019-]+)[ \t]+)?([\w'\u2019-]+)[ \t]+$")
_ARTICLE = re.compile(r"(?<![\w'\u2019-])(an?)([ \t]+)$", re.IGNORECASE)
_BEGINS = re.compile(r"(?:^|[.!?:]\s)[\s\"'\u201c\u2018(]*$")  # a sentence
_SLOT = re.compile(r"\{(\w+)\}")
_OBJECT_OR_POSSESSIVE = frozenset({"object", "possessive"})  # her
_POSSESSIVE_OR_OWN = frozenset({"possessive", "own"})  # his


class Form(NamedTuple):
    """Which form of a term a word is."""

    kind: str
    number: int  # among names


class Place(NamedTuple):
    """Where a term stands in a text, and which of its forms it can be."""

    start: int
    end: int
    forms: tuple[Form, ...]
    written: str  # as the list has it


class _Reading(NamedTuple):
    term: str
    form: Form
    written: str


@final
@dataclass(frozen=True)
class Spoken:
    """A text and where it speaks of one term of an axis.

    Parameters
    ----------
    text : str
        As it stands.
    term : str
        Which term of the axis.
    places : tuple of Place
        All its mentions, in order.
    """

    text: str
    term: str
    places: tuple[Place, ...]

    @cached_property
    def frame(self) -> str:
        """The text without the term: texts that differ in the term alone have one frame."""
        seen: dict[tuple[Form, ...], str] = {}
        for place in self.places:
            kinds = "|".join(sorted({form.kind for form in place.forms}))
            seen.setdefault(place.forms, f"{{{kinds} {len(seen)}}}")
        return _filled(self.text, self.places, [seen[one.forms] for one in self.places]).casefold()


# --- finding terms --------------------------------------------------------------------------------


@final
class Finder:
    """Finds where texts speak of one term of an axis.

    Parameters
    ----------
    axis : Axis
        The terms to look for.
    people : frozenset of str
        Nouns before which an adjective describes people.
    """

    def __init__(self, axis: Axis, people: frozenset[str]) -> None:
        self._people = people
        self._known: dict[str, list[_Reading]] = {}
        for term, forms in axis.terms.items():
            for form, written in _written(forms):
                self._known.setdefault(written.lower(), []).append(_Reading(term, form, written))
        longest_first = sorted(self._known, key=len, reverse=True)
        words = "|".join(map(re.escape, longest_first))
        self._pattern = re.compile(rf"(?<![\w-])({words})(?![\w-])", re.IGNORECASE)

    def __call__(self, text: str) -> Spoken | None:
        """Return where a text speaks of a term, or None where it does not, or not clearly.

        A text that speaks of two terms of the axis, or holds a pronoun whose form is unclear ("her"
        before another word), is left alone.
        """
        lower = text == text.lower()
        found: list[tuple[re.Match[str], list[_Reading]]] = []
        for match in self._pattern.finditer(text):
            known = self._known.get(match[1].lower(), ())  # IGNORECASE knows more than lower()
            read = [
                one
                for one in known
                if self._fits(one.form.kind, match, any_case=lower or one.written[0].islower())
            ]
            clear = [one for one in read if _is_clear(one, read, match)]
            if read and not clear:
                return None  # a pronoun that would stay behind
            if clear:
                found.append((match, clear))
        terms = [{one.term for one in read} for _, read in found]
        owners = set[str].intersection(*terms) if terms else set[str]()
        if len(owners) != 1:
            return None
        (term,) = owners
        return Spoken(text, term, tuple(_place(match, read, term) for match, read in found))

    def _fits(self, kind: str, match: re.Match[str], *, any_case: bool) -> bool:
        """Whether a word stands where a form of this kind would."""
        text, after = match.string, _word_after(match)
        if kind in NAMES:
            return any_case or match[1][0].isupper()
        if kind == "adjective":
            if after is not None and after in self._people:
                return True
            alone = after is None or after in _AFTER
            return alone and bool(
                _SOMEBODY_IS.search(text, max(0, match.start(1) - 40), match.start(1))
            )
        if kind == "person":
            before = _BEFORE.search(text[max(0, match.start(1) - 60) : match.start(1)])
            words = {one.lower() for one in before.groups() if one} if before else set[str]()
            return bool(words & _DETERMINERS) and (after is None or after in _AFTER)
        return True


def _written(forms: Forms) -> Iterator[tuple[Form, str]]:
    for kind, those in forms.items():
        for index, written in enumerate(those):
            yield Form(kind, index), written


def _word_after(match: re.Match[str]) -> str | None:
    """Return the word that follows in lower case, or None before a sign or the end."""
    after = _NEXT.match(match.string, match.end())
    return after[1].lower() if after else None


def _place(match: re.Match[str], read: Sequence[_Reading], term: str) -> Place:
    mine = [one for one in read if one.term == term]
    return Place(match.start(1), match.end(1), tuple(one.form for one in mine), mine[0].written)


def _is_clear(one: _Reading, read: Sequence[_Reading], match: re.Match[str]) -> bool:
    """Whether a pronoun has this form here, where it could have two."""
    form = one.form
    kinds = frozenset(other.form.kind for other in read if other.term == one.term)
    after = _word_after(match)
    ends = after is None or after in _AFTER
    if kinds == _OBJECT_OR_POSSESSIVE:
        return ends and form.kind == "object"  # before a word it could be either
    if kinds == _POSSESSIVE_OR_OWN:
        return form.kind == "own" if after is None else form.kind == "possessive" and not ends
    return True


# --- putting in others ----------------------------------------------------------------------------


def filled_in(template: str, axis: Axis, term: str, index: int) -> Spoken:
    """Return a template that speaks of a term.

    Parameters
    ----------
    template : str
        With slots such as "{adjective}".
    axis : Axis
        Its terms have these forms.
    term : str
        Which term.
    index : int
        Which name, counted around the list.
    """
    forms = axis.terms[term]
    text, places = template, list[Place]()
    while slot := _SLOT.search(text):
        those = forms[slot[1]]
        form = Form(slot[1], index % len(those))
        new = those[form.number]
        text = text[: slot.start()] + new + text[slot.end() :]
        places.append(Place(slot.start(), slot.start() + len(new), (form,), new))
    first = text[:1].upper() + text[1:]
    return Spoken(first, term, tuple(places))


def about_others(spoken: Spoken, axis: Axis) -> dict[str, str]:
    """Return the text about every term of the axis that it can be about; its own unchanged."""
    found: dict[str, str] = {}
    for term, forms in axis.terms.items():
        if term == spoken.term:
            found[term] = spoken.text
            continue
        choices = [{_form_of(forms, form) for form in place.forms} for place in spoken.places]
        if all(len(one) == 1 for one in choices):
            found[term] = _filled(spoken.text, spoken.places, [one.pop() for one in choices])
    return found


def about_nobody_else(
    spoken: Spoken, axis: Axis, neutral: Forms, count: int, rng: np.random.Generator
) -> list[str]:
    """Return the text with words swapped that should not matter, or nothing where there are none.

    Names give way to names of the same term, the text itself coming first; all else to neutral
    words of the same kind. What has neither, such as a pronoun, stays.

    Parameters
    ----------
    spoken : Spoken
        The text and where it speaks of a term.
    axis : Axis
        The axis of the term.
    neutral : dict
        Neutral words per kind.
    count : int
        Texts wanted; names and words must suffice.
    rng : Generator
        Draws them.
    """
    forms = axis.terms[spoken.term]
    orders: dict[str, list[str]] = {}
    for form in dict.fromkeys(form for place in spoken.places for form in place.forms[:1]):
        if form.kind in NAMES and form.kind not in orders:
            names = forms[form.kind]
            others = rng.permutation(len(names) - 1) + 1
            orders[form.kind] = [str(shift) for shift in (0, *others.tolist())]
        elif form.kind in neutral and form.kind not in orders:
            orders[form.kind] = rng.permutation(np.array(neutral[form.kind], dtype=object)).tolist()
    if not orders:
        return []
    return [
        _filled(
            spoken.text,
            spoken.places,
            [_neutral_form(spoken, place, forms, orders, j) for place in spoken.places],
        )
        for j in range(min(count, *map(len, orders.values())))
    ]


def _neutral_form(
    spoken: Spoken, place: Place, forms: Forms, orders: Mapping[str, Sequence[str]], j: int
) -> str:
    form = place.forms[0]
    if form.kind not in orders:
        return spoken.text[place.start : place.end]
    if form.kind in NAMES:
        names = forms[form.kind]
        return names[(form.number + int(orders[form.kind][j])) % len(names)]
    return orders[form.kind][j]


def _form_of(forms: Forms, form: Form) -> str:
    those = forms[form.kind]
    return those[form.number % len(those)]


def _filled(text: str, places: Sequence[Place], words: Sequence[str]) -> str:
    """Put words into the places, in the case of what stood there, with the right article."""
    parts, done = list[str](), 0
    lower = text == text.lower()
    for place, word in zip(places, words, strict=True):
        before = text[done : place.start]
        parts += [_with_article(before, word), _in_case(word, place, text, lower)]
        done = place.end
    return "".join(parts) + text[done:]


def _in_case(word: str, place: Place, text: str, lower: bool) -> str:
    was = text[place.start : place.end]
    if lower or (was[0].islower() and place.written[0].isupper()):
        return word.lower()
    if len(was) > 1 and was.isupper() and not place.written.isupper():
        return word.upper()
    begins = _BEGINS.search(text, 0, place.start) is not None
    raised = was[0].isupper() and place.written[0].islower()
    return word[:1].upper() + word[1:] if raised or (begins and was[0].isupper()) else word


def _with_article(before: str, word: str) -> str:
    article = _ARTICLE.search(before)
    if article is None:
        return before
    new = "an" if takes_an(word) else "a"
    old = article[1]
    cased = new.upper() if len(old) > 1 and old.isupper() else new
    cased = cased.capitalize() if old[0].isupper() and not cased.isupper() else cased
    return before[: article.start()] + cased + article[2]


def takes_an(word: str) -> bool:
    """Whether the article before a word is "an": whether it begins with the sound of a vowel.

    Examples
    --------
    >>> [one for one in ("elderly", "European", "Ugandan", "11-year-old", "tall") if takes_an(one)]
    ['elderly', '11-year-old']
    """
    start = word.lower()
    if re.match(r"8|1[18](?!\d)", start):
        return True
    if re.match(r"eu|ewe|one\b|once\b|u[kg]|uni(?!m|n)|us[ae]|ut[ei]|ur[aiu]", start):
        return False
    return start[:1] in tuple("aeiou") or start.startswith(("hour", "honest", "honou", "heir"))

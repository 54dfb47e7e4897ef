"""Sentences with known answers, words that may stand for one another, and sentences that push."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Literal, NamedTuple, TypeAlias, final

import numpy as np
from pydantic import BaseModel, ConfigDict

from auditkit.methods.corruptions.typos import Edit, Mistyped, edited

Answer: TypeAlias = Literal["positive", "negative"]
_NAMES: dict[Answer, frozenset[str]] = {
    "positive": frozenset({"positive", "pos"}),
    "negative": frozenset({"negative", "neg"}),
}
_SLOT = re.compile(r"\{(\w+)\}")
_NUMBER = re.compile(r"(?<![\w.,/'\u2019-])[1-9]\d*(?![\w/%'\u2019-]|[.,]\d)")
_RATING = re.compile(r"\s*(?:stars?|points?|out\b)", re.IGNORECASE)  # "5 stars" says something
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiou])")


class Template(NamedTuple):
    """A sentence with slots, and the answer that it should get however they are filled."""

    text: str
    answer: Answer


@final
class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    words: dict[str, list[str]]
    functionality: dict[str, dict[Answer, list[str]]]
    direction: dict[Literal["praise", "complaint"], list[str]]
    invariance: dict[str, list[list[str]]]


@final
@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a model is asked.

    Parameters
    ----------
    words : dict
        What may fill each slot.
    functionality : dict
        Templates by capability.
    direction : dict
        Sentences that praise, and sentences that complain.
    swaps : dict
        Groups of words that may stand for one another, by capability; "numbers" are not listed.
    """

    words: Mapping[str, Sequence[str]]
    functionality: Mapping[str, Sequence[Template]]
    direction: Mapping[str, Sequence[str]]
    swaps: Mapping[str, Sequence[Sequence[str]]]

    @property
    def invariance(self) -> tuple[str, ...]:
        """Capabilities under which an answer should stay."""
        return (*self.swaps, "numbers")

    @cached_property
    def _groups(self) -> dict[str, dict[str, Sequence[str]]]:
        return {
            name: {word.lower(): group for group in groups for word in group}
            for name, groups in self.swaps.items()
        }

    def filled(self, template: Template, rng: np.random.Generator) -> str:
        """Return a template with words drawn for its slots, "a" and "an" as they must be."""

        def draw(slot: re.Match[str]) -> str:
            words = self.words[slot[1]]
            return words[int(rng.integers(len(words)))]

        return _ARTICLE.sub(r"\1n ", _SLOT.sub(draw, template.text))

    def swapped(self, text: str, capability: str, rng: np.random.Generator) -> Mistyped:
        """Return a text in which the words of one capability give way to others of their group.

        A word that the list writes with a capital needs one, unless the whole text has none. The
        same word becomes the same one wherever it stands. Numbers become others of as many digits,
        but not those of ratings such as 5 stars. A text without such words comes back as it is.
        """
        new: dict[str, str] = {}
        edits: list[Edit] = []
        for found, others in self._places(text, capability):
            was = found.group()
            if was not in new:
                new[was] = others[int(rng.integers(len(others)))]
            edits.append(Edit(found.start(), found.end(), new[was]))
        return edited(text, edits)

    def _places(self, text: str, capability: str) -> list[tuple[re.Match[str], list[str]]]:
        if capability == "numbers":
            return [
                (one, _other_numbers(one.group()))
                for one in _NUMBER.finditer(text)
                if not _RATING.match(text, one.end())
            ]
        lower, known = text == text.lower(), self._groups[capability]
        places: list[tuple[re.Match[str], list[str]]] = []
        for one in re.finditer(r"(?<![\w-])[^\W\d_]+(?![\w-])", text):
            word = one.group()
            group = known.get(word.lower(), ())
            if group and (lower or group[0].islower() or word[0].isupper()):
                others = [each for each in group if each.lower() != word.lower()]
                cased = [each.lower() if lower else _capital_as(each, word) for each in others]
                places.append((one, cased))
        return places


@cache
def built_in() -> Capabilities:
    """Return the list that comes with auditkit."""
    content = resources.files("auditkit").joinpath("methods/capabilities/templates.toml")
    return parsed(content.read_bytes())


def parsed(content: bytes) -> Capabilities:
    """Return the list that a file holds."""
    raw = _File.model_validate(tomllib.loads(content.decode("utf-8")))
    return Capabilities(
        words=raw.words,
        functionality={
            name: [Template(text, answer) for answer, texts in by.items() for text in texts]
            for name, by in raw.functionality.items()
        },
        direction={str(name): sentences for name, sentences in raw.direction.items()},
        swaps=raw.invariance,
    )


def sentiment(classes: Sequence[str]) -> dict[Answer, int] | None:
    """Return which classes praise and complain, or None where the names do not say so.

    Examples
    --------
    >>> sentiment(["neg", "neutral", "pos"])
    {'positive': 2, 'negative': 0}
    >>> sentiment(["sport", "politics"]) is None
    True
    """
    found: dict[Answer, int] = {}
    for answer, names in _NAMES.items():
        which = [i for i, one in enumerate(classes) if one.strip().lower() in names]
        if len(which) != 1:
            return None
        found[answer] = which[0]
    return found


def _capital_as(word: str, like: str) -> str:
    return word[0].upper() + word[1:] if like[0].isupper() else word


def _other_numbers(number: str) -> list[str]:
    """Return other numbers of as many digits."""
    return [first + number[1:] for first in "123456789" if first != number[0]]

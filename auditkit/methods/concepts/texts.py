"""Concepts put into texts as single words: sentiment, negation, identity terms."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from auditkit.randomness import uniform
from auditkit.types import Keys

TEXT_CONCEPTS: Mapping[str, tuple[str, ...]] = {
    "praise": (
        "wonderful", "excellent", "great", "brilliant", "superb", "good", "lovely", "delightful",
    ),
    "blame": ("terrible", "awful", "bad", "dreadful", "boring", "horrible", "dull", "poor"),
    "negation": ("not", "never", "no", "nothing", "nobody", "hardly"),
    "identity": (
        "woman", "man", "Muslim", "Christian", "Jewish", "Black", "gay", "elderly", "disabled",
        "immigrant",
    ),
}  # fmt: skip
NEAREST = 10  # words of like frequency among which a random one is drawn
_WORD = re.compile(r"\w[\w'-]*")


def known_words(name: str, knows: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the words of a concept that a model can read."""
    return tuple(word for word in TEXT_CONCEPTS[name] if knows(word))


class Vocabulary:
    """The words of a sample of texts, by how often they occur.

    Parameters
    ----------
    texts : sequence of str
        The sample.
    knows : callable
        Whether a model can read a word; others are left out, as are words of any concept.
    """

    def __init__(self, texts: Sequence[str], knows: Callable[[str], bool]) -> None:
        self.counts = Counter(one.group().lower() for text in texts for one in _WORD.finditer(text))
        taken = {word.lower() for words in TEXT_CONCEPTS.values() for word in words}
        self.plain = sorted(word for word in self.counts if word not in taken and knows(word))

    def alike(self, word: str) -> list[str]:
        """Return the words that occur about as often, at most `NEAREST`."""
        count = max(1, self.counts[word.lower()])
        order = sorted(self.plain, key=lambda one: (abs(self.counts[one] - count), one))
        return order[:NEAREST]


def with_word(
    texts: Sequence[str], words: Sequence[str], vocabulary: Vocabulary, keys: Keys
) -> tuple[list[str], list[str], list[str]]:
    """Return texts with a word of a concept, the same with a random one there, and the words.

    Word and place are drawn per text; the random word occurs about as often as the other.

    Parameters
    ----------
    texts, words : sequence of str
        n texts; the words of a concept, at least one.
    vocabulary : Vocabulary
        Where random words come from, at least one.
    keys : ndarray
        (n,) one per text.
    """
    alike = {word: vocabulary.alike(word) for word in words}
    moved, plain, put = list[str](), list[str](), list[str]()
    for text, draws in zip(texts, uniform(keys, (3,)), strict=True):
        word = words[int(draws[0] * len(words))]
        place = _places(text)[int(draws[1] * len(_places(text)))]
        other = alike[word][int(draws[2] * len(alike[word]))]
        moved.append(_put(text, word, place))
        plain.append(_put(text, other, place))
        put.append(word)
    return moved, plain, put


def _places(text: str) -> list[int]:
    """Return where a word can stand: before each word, and at the end."""
    return [one.start() for one in _WORD.finditer(text)] + [len(text)]


def _put(text: str, word: str, place: int) -> str:
    """Return a text with a word more.

    Examples
    --------
    >>> _put("A film.", "dull", 2), _put("A film", "dull", 6)
    ('A dull film.', 'A film dull')
    """
    if place == len(text):
        return f"{text} {word}".strip()
    return f"{text[:place]}{word} {text[place:]}"

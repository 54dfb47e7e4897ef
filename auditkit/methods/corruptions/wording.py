"""The same said in other words: synonyms, contractions, spelling, frames, fillers, unseen words."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TypeAlias, final

import numpy as np

from auditkit.errors import ConfigError, near_miss
from auditkit.methods.attacks.synonyms import built_in as built_in_synonyms
from auditkit.methods.corruptions.severity import require_severity
from auditkit.methods.corruptions.typos import SHARE_OF_WORDS, Edit, Mistyped, edited
from auditkit.randomness import key_of, uniform
from auditkit.types import Floats, Keys

SHARE_OF_PLACES = (0.2, 0.4, 0.6, 0.8, 1.0)  # severity 1 to 5; at least one place
SHARE_ADDED = (0.10, 0.25, 0.50, 1.00, 2.00)  # words of filler for one word; at least a sentence
SHARE_CUT = (0.10, 0.20, 0.30, 0.40, 0.50)  # of the words, from the end; at least one, never all

WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_SENTENCE = re.compile(r"[^.!?\s][^.!?]*")
_NUMBER = re.compile(r"(?<![\w.,/'\u2019-])\d+(?![\w/%'\u2019-]|[.,]\d)")
_RATING = re.compile(r"\s*(?:stars?|points?|out\b)", re.IGNORECASE)  # "5 stars" says something
_NAME = re.compile(r"(?<=[^\W\d_][ ])[A-Z][a-z]{2,}\b(?!['\u2019])")  # inside a sentence
_ARTICLE = re.compile(r"\b(an?)(\s+)$", re.IGNORECASE)
_HAS = re.compile(r"\s+(?:been|got|had|become|never|always|already|just|done|made|\w+ed)\b")
_SHORTEST_UNSEEN = 4  # letters: shorter words are mostly grammar
_ONSETS = (*"bdfgklmnprstvz", "br", "dr", "gl", "kr", "pl", "st", "tr")
_VOWELS = "aeiou"

Option: TypeAlias = tuple[Edit, ...]  # what one choice does to a text


@final
@dataclass(frozen=True, kw_only=True)
class Source:
    """What rewording draws on besides the text.

    Parameters
    ----------
    known : container of str
        Words that no made-up word may be: the model's vocabulary.
    commonness : mapping
        How many texts hold a word, in lower case; none where it is missing. The rarest words of a
        text are the first to give way to unseen ones.
    """

    known: Container[str] = frozenset()
    commonness: Mapping[str, int]


def reworded(
    texts: Sequence[str], kind: str, severity: int, keys: Keys, *, source: Source
) -> list[Mistyped]:
    """Return the texts reworded in one way.

    A key fixes the order in which places are changed and what each becomes, so that a higher
    severity adds changes and keeps the others. A text that holds no such place comes back as it is.

    Parameters
    ----------
    texts : sequence of str
        n texts.
    kind : str
        A name of `KINDS`.
    severity : int
        1 to 5. `synonyms`, `unseen`: 5, 10, 20, 30, 40 % of the words, as far as there are such.
        `framing`: as many phrases. `filler`: 10, 25, 50, 100, 200 % more words. `truncation`: 10 to
        50 % of the words cut. All others: 20, 40, 60, 80, 100 % of the places. Always at least one.
    keys : ndarray
        (n,) one key per text.
    source : Source
        For made-up words.

    Raises
    ------
    ConfigError
        If `severity` is not one of 1 to 5 or the kind is unknown.

    Examples
    --------
    >>> key = np.array([1], dtype=np.uint64)
    >>> reworded(["It isn't my colour."], "spelling", 5, key, source=Source(commonness={}))[0].text
    "It isn't my color."
    """
    require_severity(severity)
    require_kinds([kind])
    change = KINDS[kind]
    return [
        edited(text, sorted(change(text, severity - 1, keys[i : i + 1], source)))
        for i, text in enumerate(texts)
    ]


def require_kinds(kinds: Iterable[str]) -> None:
    """Raise ConfigError unless every kind of rewording is known."""
    for kind in kinds:
        if kind not in KINDS:
            raise ConfigError(
                f"There is no kind of rewording {kind!r}.{near_miss(kind, KINDS)}",
                hint=f"The kinds are {', '.join(KINDS)}.",
            )


# --- places that can be changed each by itself ----------------------------------------------------


def _chosen(places: Sequence[Sequence[Option]], wanted: int, key: Keys) -> list[Edit]:
    """Return the edits of some places, each with one of its options, both at random."""
    if not places:
        return []
    draws = uniform(key, (len(places), 2))[0]  # per place: turn, option
    edits: list[Edit] = []
    for i in np.argsort(draws[:, 0], kind="stable")[:wanted]:
        edits += places[i][int(draws[i, 1] * len(places[i]))]
    return edits


def _of_words(text: str, severity: int) -> int:
    return max(1, int(SHARE_OF_WORDS[severity] * len(WORD.findall(text)) + 0.5))


def _of_places(places: Sequence[object], severity: int) -> int:
    return max(1, int(SHARE_OF_PLACES[severity] * len(places) + 0.5))


def _synonyms(text: str, severity: int, key: Keys, _: Source) -> list[Edit]:
    known = built_in_synonyms()
    places = [
        [(_with_article(word, _as_written(other, word.group())),) for other in others]
        for word in WORD.finditer(text)
        if (others := known(word.group()))
    ]
    return _chosen(places, _of_words(text, severity), key)


def _contractions(text: str, severity: int, key: Keys, _: Source) -> list[Edit]:
    places: list[list[Option]] = []
    for found in _contraction_pattern().finditer(text):
        long = _contracted().get(_joined(found.group()))
        if long is None:
            now = _expanded()[" ".join(found.group().lower().split())]
        elif long.endswith(" is") and _HAS.match(text, found.end()):
            continue  # it's been
        else:
            now = long
        places.append([(Edit(found.start(), found.end(), _as_written(now, found.group())),)])
    return _chosen(places, _of_places(places, severity), key)


def _spelling(text: str, severity: int, key: Keys, _: Source) -> list[Edit]:
    places: list[list[Option]] = []
    for word in WORD.finditer(text):
        plain = word.group().lower()
        other = _spellings().get(plain)
        if other is None and plain.endswith("s") and plain[:-1] in _spellings():
            other = _spellings()[plain[:-1]] + "s"
        if other is not None:
            places.append([(Edit(word.start(), word.end(), _as_written(other, word.group())),)])
    return _chosen(places, _of_places(places, severity), key)


def _fronting(text: str, severity: int, key: Keys, _: Source) -> list[Edit]:
    places: list[list[Option]] = []
    for sentence in _SENTENCE.finditer(text):
        said = sentence.group()
        end = _adverbial_pattern().search(said)
        if end is None or len(WORD.findall(said[: end.start()])) < 3:
            continue
        start = sentence.start()
        front = end[1] if _is_lower(text) else end[1][0].upper() + end[1][1:]
        first = _decapitalised(said)
        moved = Edit(start, start + len(first), f"{front}, {first}")
        places.append([(moved, Edit(start + end.start(), start + end.end(1), ""))])
    return _chosen(places, _of_places(places, severity), key)


def _names(text: str, severity: int, key: Keys, source: Source) -> list[Edit]:
    places = _each_alike(
        text, _NAME, lambda name: _unseen_word(_key_of(key, name), source).capitalize()
    )
    return _chosen(places, _of_places(places, severity), key)


def _numbers(text: str, severity: int, key: Keys, _: Source) -> list[Edit]:
    places = _each_alike(text, _NUMBER, lambda number: _other_number(number, _key_of(key, number)))
    return _chosen(places, _of_places(places, severity), key)


def _each_alike(text: str, what: re.Pattern[str], now: Callable[[str], str]) -> list[list[Option]]:
    """Return one place per different match: it becomes the same wherever it stands."""
    found: dict[str, list[Edit]] = {}
    for one in what.finditer(text):
        if not _RATING.match(text, one.end()):
            new = found.setdefault(one.group(), [])
            new.append(Edit(one.start(), one.end(), now(one.group())))
    return [[tuple(edits)] for edits in found.values()]


def _unseen(text: str, severity: int, key: Keys, source: Source) -> list[Edit]:
    words = [one for one in WORD.finditer(text) if len(one.group()) >= _SHORTEST_UNSEEN]
    if not words:
        return []
    turn = uniform(key, (len(words),))[0]
    common = [source.commonness.get(one.group().lower(), 0) for one in words]
    order = sorted(range(len(words)), key=lambda i: (common[i], turn[i]))
    return [
        _with_article(words[i], _as_written(_unseen_word(_key_of(key, i), source), words[i][0]))
        for i in order[: _of_words(text, severity)]
    ]


# --- what is added and what is cut ----------------------------------------------------------------


def _framing(text: str, severity: int, key: Keys, _: Source) -> list[Edit]:
    if not WORD.search(text):
        return []
    prefixes, suffixes = (list(_list(one)) for one in ("prefixes", "suffixes"))
    draws = uniform(key, (severity + 1, 2))[0]  # per phrase: side, which
    before, after = list[str](), list[str]()
    for side, which in draws:
        pool, mine = (prefixes, before) if side < 0.5 else (suffixes, after)
        mine.append(pool.pop(int(which * len(pool))))
    lower = _is_lower(text)
    edits = list[Edit]()
    begin = len(text) - len(text.lstrip())
    if before:
        said = [one if i == len(before) - 1 else _uncapital(one) for i, one in enumerate(before)]
        first = _decapitalised(text[begin:])
        words = " ".join(said[::-1])  # the first to come stands nearest
        new = f"{words.lower() if lower else words} {first}"
        edits.append(Edit(begin, begin + len(first), new))
    if after:
        end = len(text.rstrip(" \t\r\n.!?"))
        words = "".join(f", {one}" for one in after)
        edits.append(Edit(end, end, words.lower() if lower else words))
    return edits


def _filler(text: str, severity: int, key: Keys, _: Source) -> list[Edit]:
    words = len(WORD.findall(text))
    if not words:
        return []
    fillers, wanted = _list("fillers"), SHARE_ADDED[severity] * words
    most = int(SHARE_ADDED[-1] * words) + 1  # sentences, at whatever severity
    draws = uniform(key, (most + len(fillers),))[0]
    order = np.argsort(draws[: len(fillers)])
    lower, added, sides = _is_lower(text), 0, (list[str](), list[str]())
    for i in range(most):
        sentence = fillers[order[i % len(fillers)]]
        sides[int(draws[len(fillers) + i] < 0.5)].append(sentence.lower() if lower else sentence)
        added += len(WORD.findall(sentence))
        if added >= wanted:
            break
    before, after = (" ".join(one) for one in sides)
    edits = [Edit(0, 0, before + " ")] if before else []
    ends = text.rstrip()[-1:] in ".!?"
    return [*edits, *([Edit(len(text), len(text), f"{'' if ends else '.'} {after}")] * bool(after))]


def _truncation(text: str, severity: int, _key: Keys, _: Source) -> list[Edit]:
    words = list(WORD.finditer(text))
    if len(words) < 2:
        return []
    cut = min(max(1, int(SHARE_CUT[severity] * len(words) + 0.5)), len(words) - 1)
    return [Edit(words[-cut - 1].end(), len(text), "")]


Kind: TypeAlias = Callable[[str, int, Keys, Source], list[Edit]]
KEEPS_MEANING: dict[str, Kind] = {
    "synonyms": _synonyms,
    "contractions": _contractions,
    "spelling": _spelling,
    "fronting": _fronting,
    "framing": _framing,
    "filler": _filler,
    "names": _names,
    "numbers": _numbers,
}
KINDS: dict[str, Kind] = {**KEEPS_MEANING, "unseen": _unseen, "truncation": _truncation}


# --- words ----------------------------------------------------------------------------------------


def _is_lower(text: str) -> bool:
    return text == text.lower()


def _as_written(word: str, like: str) -> str:
    """Return a word with the capitals of another one."""
    if len(like) > 1 and like.isupper():
        return word.upper()
    if like[0].isupper():
        return word[0].upper() + word[1:]
    return word.lower() if like[0].islower() and word[0] == "I" else word


def _uncapital(phrase: str) -> str:
    return phrase if phrase.startswith("I ") else phrase[0].lower() + phrase[1:]


def _decapitalised(text: str) -> str:
    """Return the first word of a text as it is written inside a sentence."""
    first = WORD.match(text)
    if first is None:
        return ""
    word = first.group()
    return word.lower() if word.lower() in _list("openers") else word


def _with_article(word: re.Match[str], now: str) -> Edit:
    """Replace a word, and "a" or "an" before it where the new one needs the other."""
    before = _ARTICLE.search(word.string, max(0, word.start() - 12), word.start())
    if before is None:
        return Edit(word.start(), word.end(), now)
    old, gap = before.groups()
    was_vowel, vowel = word.group()[0].lower() in _VOWELS, now[0].lower() in _VOWELS
    article = old if was_vowel == vowel else old[0] + "n" * vowel
    return Edit(before.start(), word.end(), article + gap + now)


def _key_of(key: Keys, what: object) -> Keys:
    """Return a key of its own for one word of a text."""
    return np.array([key_of(int(key[0]), what)], dtype=np.uint64)


def _unseen_word(key: Keys, source: Source) -> str:
    """Return a made-up word of three syllables that the model's vocabulary does not hold."""
    for word in _made_up(uniform(key, (64, 7))[0]):
        if word not in source.known and word.capitalize() not in source.known:
            return word
    return "".join(_made_up(uniform(key, (4, 7))[0]))


def _made_up(draws: Floats) -> Iterator[str]:
    for row in draws:
        onsets = [_ONSETS[int(one * len(_ONSETS))] for one in row[:3]]
        vowels = [_VOWELS[int(one * len(_VOWELS))] for one in row[3:6]]
        end = "nrlsk"[int(row[6] * 5)]
        yield "".join(a + b for a, b in zip(onsets, vowels, strict=True)) + end


def _other_number(number: str, key: Keys) -> str:
    """Return another number of as many digits."""
    draws = uniform(key, (len(number),))[0]
    digits = [str(1 + int(draws[0] * 9)), *(str(int(one * 10)) for one in draws[1:])]
    now = "".join(digits)
    return now if now != number else str(1 + int(number[0]) % 9) + number[1:]


# --- lists ----------------------------------------------------------------------------------------


@cache
def _lists() -> dict[str, list[str] | list[list[str]]]:
    content = resources.files("auditkit").joinpath("methods/corruptions/wording.toml").read_bytes()
    return tomllib.loads(content.decode("utf-8"))


def _list(name: str) -> list[str]:
    return [one for one in _lists()[name] if isinstance(one, str)]


def _pairs(name: str) -> list[tuple[str, str]]:
    return [(one[0], one[1]) for one in _lists()[name]]


@cache
def _spellings() -> dict[str, str]:
    pairs = _pairs("spellings")
    return dict(pairs) | {american: british for british, american in pairs}


def _joined(contracted: str) -> str:
    return "".join(contracted.lower().replace("\u2019", "'").split())


@cache
def _contracted() -> dict[str, str]:
    return {short.lower(): long for long, short in _pairs("contractions")}


@cache
def _expanded() -> dict[str, str]:
    return {long.lower(): short for long, short in _pairs("contractions")}


@cache
def _contraction_pattern() -> re.Pattern[str]:
    """Match both forms; a contraction also with a space in it, as some tokenizers leave it."""
    short = [
        re.sub(r"(n)?'", lambda found: rf" ?{found[1] or ''}['\u2019]", one)
        for _, one in _pairs("contractions")
    ]
    long = [one.replace(" ", r"\s+") for one, _ in _pairs("contractions")]
    either = "|".join(sorted([*short, *long], key=len, reverse=True))
    return re.compile(rf"(?<![\w'\u2019])(?:{either})(?![\w'\u2019])", re.IGNORECASE)


@cache
def _adverbial_pattern() -> re.Pattern[str]:
    either = "|".join(sorted(_list("adverbials"), key=len, reverse=True))
    return re.compile(rf"(?:\s*,)?\s+({either})(?=\s*$)", re.IGNORECASE)

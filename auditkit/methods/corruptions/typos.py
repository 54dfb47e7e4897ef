"""Typing and reading mistakes in texts: which words, which mistake, and what became of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, final

import numpy as np

from auditkit.errors import ConfigError, near_miss
from auditkit.methods.corruptions.look_alikes import homoglyphs
from auditkit.methods.corruptions.severity import require_severity
from auditkit.randomness import uniform
from auditkit.types import Keys

SHARE_OF_WORDS = (0.05, 0.10, 0.20, 0.30, 0.40)  # severity 1 to 5; always at least one word

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")  # letters, with apostrophes inside
_MARKS = re.compile(r"[.,;:!?]*")
_GAP = re.compile(r"\s+(?=\S)")
_KEYBOARD = (("qwertyuiop", 0.0), ("asdfghjkl", 0.25), ("zxcvbnm", 0.75))  # rows and their shift
_LOOK_ALIKE = (
    ("rn", "m"), ("m", "rn"), ("cl", "d"), ("d", "cl"), ("vv", "w"), ("w", "vv"), ("l", "1"),
    ("i", "l"), ("o", "0"), ("s", "5"), ("z", "2"), ("g", "9"), ("e", "c"), ("h", "b"),
    ("I", "l"), ("O", "0"), ("S", "5"), ("Z", "2"), ("B", "8"),
)  # fmt: skip


class Change(NamedTuple):
    """One changed piece: where it stands in the changed text, and what it was."""

    start: int
    end: int
    was: str


@final
@dataclass(frozen=True)
class Mistyped:
    """A changed text; `changes` are in the order of the text."""

    text: str
    changes: tuple[Change, ...]


def typos(
    texts: Sequence[str], severity: int, keys: Keys, *, kinds: Sequence[str] | None = None
) -> list[Mistyped]:
    """Return the texts with one mistake in each of some words.

    Severity 1 to 5 changes 5, 10, 20, 30, 40 % of the words, rounded, and at least one. A key fixes
    the order in which words are hit and the mistake each would get, so that a higher severity adds
    mistakes and keeps the others. A text without a word that can be changed comes back as it is.

    Parameters
    ----------
    texts : sequence of str
        n texts.
    severity : int
        1 to 5.
    keys : ndarray
        (n,) one key per text.
    kinds : sequence of str, optional
        Which of `ALL_KINDS` occur, `KINDS` if left out; each word gets one of those that can change
        it, at random.

    Raises
    ------
    ConfigError
        If `severity` is not one of 1 to 5 or a kind is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> typos(["a fine day"], 1, np.array([3], dtype=np.uint64), kinds=["double"])[0]
    Mistyped(text='a fine dday', changes=(Change(start=7, end=11, was='day'),))
    """
    require_severity(severity)
    chosen = tuple(KINDS) if kinds is None else tuple(kinds)
    require_kinds(chosen)
    share = SHARE_OF_WORDS[severity - 1]
    return [_mistyped(text, share, keys[i : i + 1], chosen) for i, text in enumerate(texts)]


def words_in(text: str) -> int:
    """Return the number of words that typos are counted against."""
    return len(_WORD.findall(text))


def require_kinds(kinds: Sequence[str]) -> None:
    """Raise ConfigError unless every kind of typo is known."""
    for kind in kinds:
        if kind not in ALL_KINDS:
            raise ConfigError(
                f"There is no kind of typo {kind!r}.{near_miss(kind, ALL_KINDS)}",
                hint=f"The kinds are {', '.join(ALL_KINDS)}.",
            )


def _mistyped(text: str, share: float, key: Keys, kinds: tuple[str, ...]) -> Mistyped:
    words = list(_WORD.finditer(text))
    if not words:
        return Mistyped(text, ())
    draws = uniform(key, (len(words), 3))[0]  # per word: turn, kind, place
    wanted = max(1, int(share * len(words) + 0.5))
    new: dict[int, Edit] = {}
    for i in np.argsort(draws[:, 0], kind="stable"):
        versions = [one for kind in kinds if (one := _versions(words[i], kind))]
        if versions:
            of_kind = versions[int(draws[i, 1] * len(versions))]
            new[int(i)] = of_kind[int(draws[i, 2] * len(of_kind))]
        if len(new) == wanted:
            break
    return edited(text, [new[i] for i in sorted(new)])


def _versions(word: re.Match[str], kind: str) -> list[Edit]:
    """Return a word's versions with one mistake of a kind."""
    behind = {"punctuation": _MARKS, "join": _GAP}.get(kind)
    after = behind.match(word.string, word.end()) if behind else None
    end = after.end() if after else word.end()
    piece = word.string[word.start() : end]
    return [Edit(word.start(), end, one) for one in ALL_KINDS[kind](piece)]


class Edit(NamedTuple):
    """What is to stand in place of `text[start:end]`, which may be empty."""

    start: int
    end: int
    now: str


def edited(text: str, edits: Sequence[Edit]) -> Mistyped:
    """Return a text with edits, in the order of the text and apart from one another.

    Examples
    --------
    >>> edited("a fine day", [Edit(0, 0, "what "), Edit(2, 6, "bad")]).text
    'what a bad day'
    """
    pieces: list[str] = []
    changes: list[Change] = []
    done = length = 0
    for start, end, now in edits:
        pieces += [text[done:start], now]
        begun = length + start - done
        length = begun + len(now)
        changes.append(Change(begun, length, text[start:end]))
        done = end
    return Mistyped("".join([*pieces, text[done:]]), tuple(changes))


# --- kinds: a word, perhaps with what follows -> its versions, none of them the word itself -------


def _neighbours() -> dict[str, str]:
    places = {
        letter: (column + shift, row)
        for row, (letters, shift) in enumerate(_KEYBOARD)
        for column, letter in enumerate(letters)
    }
    return {
        one: "".join(
            other
            for other, (x, y) in places.items()
            if other != one and abs(x - places[one][0]) <= 1 and abs(y - places[one][1]) <= 1
        )
        for one in places
    }


_NEIGHBOURS = _neighbours()


def _keyboard(word: str) -> list[str]:
    """Return the word with one letter replaced by a neighbour on a QWERTY keyboard."""
    return [
        word[:i] + (other.upper() if letter.isupper() else other) + word[i + 1 :]
        for i, letter in enumerate(word)
        for other in _NEIGHBOURS.get(letter.lower(), "")
    ]


def _swap(word: str) -> list[str]:
    """Return the word with two adjacent, different characters exchanged."""
    return [
        word[:i] + word[i + 1] + word[i] + word[i + 2 :]
        for i in range(len(word) - 1)
        if word[i] != word[i + 1]
    ]


def _drop(word: str) -> list[str]:
    """Return the word with one character left out; a single letter stays."""
    return [word[:i] + word[i + 1 :] for i in range(len(word))] if len(word) > 1 else []


def _double(word: str) -> list[str]:
    """Return the word with one character typed twice."""
    return [word[: i + 1] + word[i:] for i in range(len(word))]


def _ocr(word: str) -> list[str]:
    """Return the word with one group of letters read as another that looks like it."""
    return [
        word[: found.start()] + seen + word[found.end() :]
        for real, seen in _LOOK_ALIKE
        for found in re.finditer(real, word)
    ]


def _case(word: str) -> list[str]:
    """Return the word with its case exchanged, of all letters or of the first."""
    both = (word.swapcase(), word[0].swapcase() + word[1:])
    return [one for one in dict.fromkeys(both) if one != word]


def _space(word: str) -> list[str]:
    """Return the word broken by a space."""
    return [f"{word[:i]} {word[i:]}" for i in range(1, len(word))]


def _join(piece: str) -> list[str]:
    """Return the word without the space behind it, where there is one."""
    return [piece.rstrip()] if piece[-1].isspace() else []


def _punctuation(piece: str) -> list[str]:
    """Return the word with a mark behind it too many, lost, doubled or set apart."""
    word = piece.rstrip(".,;:!?")
    marks = piece[len(word) :]
    if marks:
        return [word, f"{word} {marks}", piece + marks[-1]]
    return [*(word + mark for mark in ",.;!"), f'"{word}"']


def _contraction(word: str) -> list[str]:
    """Return the word with its apostrophe lost, made a space, or a letter too early."""
    at = max(word.find("'"), word.find("\u2019"))
    if at < 0:
        return []
    left, right = word[:at], word[at + 1 :]
    early = [left[:-1] + word[at] + left[-1] + right] if len(left) > 1 else []
    return [left + right, f"{left} {right}", *early]


Kind: TypeAlias = Callable[[str], list[str]]
KINDS: dict[str, Kind] = {
    "keyboard": _keyboard,
    "swap": _swap,
    "drop": _drop,
    "double": _double,
    "ocr": _ocr,
    "case": _case,
    "space": _space,
}
# Kinds that came later: a mixture without further words stays what it was.
MORE_KINDS: dict[str, Kind] = {
    "join": _join,
    "punctuation": _punctuation,
    "contraction": _contraction,
    "homoglyph": homoglyphs,
}
ALL_KINDS: dict[str, Kind] = {**KINDS, **MORE_KINDS}

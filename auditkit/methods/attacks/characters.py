"""Words with one character changed so that a reader hardly notices, or cannot notice at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

from auditkit.errors import ConfigError, near_miss
from auditkit.methods.corruptions.look_alikes import homoglyphs
from auditkit.methods.corruptions.typos import KINDS as TYPOS

SHORTEST_TYPO = 4  # letters: a mistyped shorter word is often another word
INVISIBLE = {
    "zero width space": "\u200b",
    "zero width non-joiner": "\u200c",
    "zero width joiner": "\u200d",
    "word joiner": "\u2060",
    "soft hyphen": "\u00ad",
    "left-to-right mark": "\u200e",
}
OVERRIDE, POP = "\u202e", "\u202c"  # what stands between them is shown from right to left


def _typos(word: str) -> list[str]:
    """Return the word with one mistake inside: its first and its last letter stay.

    Two letters exchanged, one left out, doubled, or replaced by its neighbour on the keyboard.
    """
    inside = word[1:-1]
    if len(word) < SHORTEST_TYPO or not word.isalpha():
        return []
    kinds = ("swap", "drop", "double", "keyboard")
    return [word[0] + one + word[-1] for kind in kinds for one in TYPOS[kind](inside)]


def _invisible(word: str) -> list[str]:
    """Return the word with a character inside that is not shown, or written backwards twice.

    Backwards twice: two letters, or all of them, in reverse between two characters that make a
    display reverse them again.
    """
    inside = range(1, len(word))
    found = [word[:i] + one + word[i:] for one in INVISIBLE.values() for i in inside]
    if not word.isalpha() or len(word) < 2:
        return found
    pairs = [word[: i - 1] + _reversed(word[i - 1 : i + 1]) + word[i + 1 :] for i in inside]
    return [*found, _reversed(word), *pairs]


def _reversed(letters: str) -> str:
    return OVERRIDE + letters[::-1] + POP


Kind: TypeAlias = Callable[[str], list[str]]
KINDS: dict[str, Kind] = {"typos": _typos, "homoglyphs": homoglyphs, "invisible": _invisible}


@final
@dataclass(frozen=True)
class Mischief:
    """Words with one character changed in one way.

    Parameters
    ----------
    kind : str
        A name of `KINDS`.

    Raises
    ------
    ConfigError
        If there is no such kind.

    Examples
    --------
    >>> Mischief("homoglyphs")(["go"]) == [["\u0261o", "g\u043e"]]
    True
    """

    kind: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(
                f"There is no kind of changed character {self.kind!r}."
                f"{near_miss(self.kind, KINDS)}",
                hint=f"The kinds are {', '.join(KINDS)}.",
            )

    def __call__(self, words: Sequence[str]) -> list[list[str]]:
        """Return the versions of each word, none of them the word itself."""
        versions = (dict.fromkeys(KINDS[self.kind](word)) for word in words)
        return [
            [one for one in mine if one != word] for word, mine in zip(words, versions, strict=True)
        ]

"""Mistyped texts, each with a twin in which the same words are others, and words seen in both."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from auditkit.methods.corruptions.typos import Change, Mistyped
from auditkit.methods.saliency.probes.text import TextProbe
from auditkit.randomness import uniform
from auditkit.types import Floats, Keys

_WORD = re.compile(r"\w+")


class Words(NamedTuple):
    """The words that a change leaves as they are: where they stand before and after it."""

    before: list[tuple[int, int]]
    after: list[tuple[int, int]]


@final
@dataclass(frozen=True)
class Vocabulary:
    """Words of other texts, as often as they occur there."""

    words: tuple[str, ...]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Vocabulary:
        """Return the words of some texts."""
        return cls(tuple(word for text in texts for word in _WORD.findall(text)))

    def exchanged(self, original: str, changed: Mistyped, key: Keys) -> Mistyped | None:
        """Return the text with other words where it was mistyped; None where there are none.

        Parameters
        ----------
        original : str
            The text before it was mistyped.
        changed : Mistyped
            The text afterwards.
        key : ndarray
            (1,) what the words are drawn by.
        """
        draws = uniform(key, (len(changed.changes),))[0]
        pieces: list[str] = []
        changes: list[Change] = []
        done = length = shift = 0
        for change, draw in zip(changed.changes, draws, strict=True):
            others = [word for word in self.words if word.lower() != change.was.lower()]
            if not others:
                return None
            now, start = others[int(draw * len(others))], change.start - shift
            pieces += [original[done:start], now]
            length += start - done
            changes.append(Change(length, length + len(now), change.was))
            length += len(now)
            done = start + len(change.was)
            shift += change.end - change.start - len(change.was)
        return Mistyped("".join([*pieces, original[done:]]), tuple(changes))


def untouched(original: str, changed: Mistyped) -> Words:
    """Return the words that a change leaves, wherever it moves them.

    Examples
    --------
    >>> untouched("so good", Mistyped("soo good", (Change(0, 3, "so"),)))
    Words(before=[(3, 7)], after=[(4, 8)])
    """
    edits = list[tuple[int, int, int]]()  # start and end in the original, shift behind it
    shift = 0
    for change in changed.changes:
        start = change.start - shift
        end = start + len(change.was)
        shift += change.end - change.start - len(change.was)
        edits.append((start, end, shift))
    before: list[tuple[int, int]] = []
    after: list[tuple[int, int]] = []
    for match in _WORD.finditer(original):
        start, end = match.span()
        if any(start < stop and begin < end for begin, stop, _ in edits):
            continue
        moved = next((by for _, stop, by in reversed(edits) if stop <= start), 0)
        before.append((start, end))
        after.append((start + moved, end + moved))
    return Words(before, after)


def word_scores(probe: TextProbe, scores: Floats, spans: Sequence[tuple[int, int]]) -> Floats:
    """Return the sum over the tokens that lie in each span (w,); NaN where none does."""
    starts, ends = np.array(probe.spans, dtype=np.int64).reshape(-1, 2).T
    found = np.full(len(spans), np.nan)
    for place, (start, end) in enumerate(spans):
        inside = (starts < end) & (start < ends)
        if inside.any():
            found[place] = scores[inside].sum()
    return found

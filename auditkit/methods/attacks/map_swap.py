"""Synonyms for a few words of a text that move its attribution map and keep its answer.

Ivankay et al., 2022, arXiv:2206.03178, section 3; Sinha et al., 2021, arXiv:2108.04990, section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from auditkit.methods.attacks.lexicon import Lexicon
from auditkit.methods.attacks.word_search import Edit, Reworded
from auditkit.randomness import at_step, uniform
from auditkit.types import Bools, Keys


def map_swap(
    text: Reworded,
    lexicon: Lexicon,
    keeps: Callable[[Sequence[Reworded]], Bools],
    likeness: Callable[[Reworded], float],
    *,
    words: int,
    tries: int,
    key: Keys,
) -> Reworded:
    """Return the text with few words replaced, so that its map is least like the one before.

    A greedy search: of the replacements tried in a round the one that leaves the answer and moves
    the map most stays, and a further one only where it moves the map farther. The text itself comes
    back where nothing that may be replaced leaves the answer.

    Parameters
    ----------
    text : Reworded
        The text as it stands.
    lexicon : Lexicon
        What may replace each word.
    keeps : callable
        Which versions (m,) still get the answer that is explained.
    likeness : callable
        How alike the map of a version is to that of the text: 1 where it is the same; NaN where
        that cannot be said.
    words : int
        Words that may be replaced, at least 1.
    tries : int
        Replacements tried per round, drawn at random; at least 1.
    key : ndarray
        (1,) what they are drawn by.
    """
    best, alike = text, np.inf
    for turn in range(words):
        tried = [best.edited(one) for one in _drawn(best, lexicon, at_step(key, turn))[:tries]]
        before = best
        for child in (one for one, kept in zip(tried, keeps(tried), strict=True) if kept):
            found = likeness(child)
            if found < alike:
                best, alike = child, found
        if best is before:
            break
    return best


def random_swap(text: Reworded, lexicon: Lexicon, *, words: int, key: Keys) -> Reworded:
    """Return the text with some words replaced at random, as many as can be where there are fewer.

    Parameters
    ----------
    text : Reworded
        The text as it stands.
    lexicon : Lexicon
        What may replace each word.
    words : int
        Words to replace.
    key : ndarray
        (1,) what words and replacements are drawn by.
    """
    for turn in range(words):
        for one in _drawn(text, lexicon, at_step(key, turn))[:1]:
            text = text.edited(one)
    return text


def _drawn(text: Reworded, lexicon: Lexicon, key: Keys) -> list[Edit]:
    """Return what may replace each word that is as it was, in random order."""
    edits = [
        Edit(piece, lexicon.word(entry))
        for piece in text.untouched
        for entry in lexicon.entries(text.pieces[piece]).tolist()
    ]
    order = np.argsort(uniform(key, (len(edits),))[0], kind="stable")
    return [edits[i] for i in order.tolist()]

"""Texts that a model was not made for: its words in another order, words at random, no words."""

from __future__ import annotations

from collections.abc import Sequence

from auditkit.randomness import generator
from auditkit.types import Keys

_LETTERS = list("abcdefghijklmnopqrstuvwxyz")


def shuffled_words(texts: Sequence[str], keys: Keys) -> list[str]:
    """Return texts with their own words in another order.

    Examples
    --------
    >>> import numpy as np
    >>> sorted(shuffled_words(["b c a"], np.array([1], dtype=np.uint64))[0].split())
    ['a', 'b', 'c']
    """
    pairs = zip(texts, keys, strict=True)
    return [" ".join(generator(key).permutation(text.split()).tolist()) for text, key in pairs]


def random_words(texts: Sequence[str], keys: Keys, *, words: Sequence[str]) -> list[str]:
    """Return as many words per text, each drawn from `words`."""
    pairs = zip(texts, keys, strict=True)
    return [" ".join(generator(key).choice(words, size=_count(text))) for text, key in pairs]


def random_letters(texts: Sequence[str], keys: Keys) -> list[str]:
    """Return texts whose words have their lengths, of letters at random."""
    changed: list[str] = []
    for text, key in zip(texts, keys, strict=True):
        rng = generator(key)
        words = text.split() or ["a"]
        changed.append(" ".join("".join(rng.choice(_LETTERS, size=len(one))) for one in words))
    return changed


def _count(text: str) -> int:
    return max(1, len(text.split()))

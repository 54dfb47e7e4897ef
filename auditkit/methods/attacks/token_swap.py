"""Which words may stand for a word: neighbours in the model's own embedding space, or synonyms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple, final

import torch
from torch.nn import functional

from auditkit.methods.attacks.lexicon import BEFORE, Replacements, table_of
from auditkit.methods.attacks.synonyms import Synonyms
from auditkit.methods.attacks.word_search import WORD
from auditkit.models.classifier import TextClassifier


@final
class Vocabulary:
    """The model's words and where they lie.

    Parameters
    ----------
    model : TextClassifier
        Whose words.
    """

    def __init__(self, model: TextClassifier) -> None:
        tokenizer = model.tokenizer
        size = 1 + max(tokenizer.get_vocab().values())
        added = tokenizer.get_added_tokens_decoder()
        special = {i for i, token in added.items() if token.special} | {model.pad_id, model.unk_id}
        read = ["" if i in special else tokenizer.decode([i]).strip() for i in range(size)]
        # empty where a token is special or does not read as a word
        self.words = tuple(word if WORD.fullmatch(word) else "" for word in read)
        self.embeddings = table_of(model, size)  # (v, d)
        self._unit = functional.normalize(self.embeddings, dim=1)
        self._usable = torch.tensor([bool(word) for word in self.words], device=model.device)

    def nearest(self, ids: Sequence[int], *, count: int, min_cosine: float) -> list[list[int]]:
        """Return for each token the usable tokens that are nearest by cosine, nearest first.

        Parameters
        ----------
        ids : sequence of int
            m tokens.
        count : int
            At most so many for each.
        min_cosine : float
            None that is less alike than this, in [-1, 1].
        """
        count = max(0, min(count, int(self._usable.sum())))
        found: list[list[int]] = []
        for some in torch.tensor(ids, dtype=torch.int64, device=self._unit.device).split(1024):
            likeness = (self._unit[some] @ self._unit.T).masked_fill(~self._usable, -torch.inf)
            likeness[torch.arange(len(some)), some] = -torch.inf  # (1024, v)
            best = likeness.topk(count, dim=1)
            near = best.values >= max(min_cosine, -2.0)  # which no cosine is below
            found += [row[ok].tolist() for row, ok in zip(best.indices, near, strict=True)]
        return found


@final
class Neighbours:
    """What may stand for a word: words whose tokens lie near in the model's own embedding space.

    A word that the tokenizer does not know has no neighbours. Of a word of several tokens one token
    at a time is replaced, where it stands.

    Parameters
    ----------
    model : TextClassifier
        Whose embeddings.
    count : int
        Neighbours of one token.
    min_cosine : float
        How alike they must be, in [-1, 1]: in a small vocabulary the nearest word may be far.
    """

    def __init__(self, model: TextClassifier, *, count: int, min_cosine: float) -> None:
        self._model, self._count, self._min_cosine = model, count, min_cosine
        self._vocabulary = Vocabulary(model)

    def __call__(self, words: Sequence[str]) -> list[list[str]]:
        """Return what may stand for each word, its case kept."""
        parts = [self._parts(word) for word in words]
        tokens = list(dict.fromkeys(one.token for mine in parts for one in mine))
        nearest = self._vocabulary.nearest(tokens, count=self._count, min_cosine=self._min_cosine)
        near = dict(zip(tokens, nearest, strict=True))
        return [
            list(
                dict.fromkeys(self._replaced(word, one, i) for one in mine for i in near[one.token])
            )
            for word, mine in zip(words, parts, strict=True)
        ]

    def _parts(self, word: str) -> list[_Part]:
        """Return the known tokens of a word, as the tokenizer reads it inside a text."""
        row = self._model.tokenizer.encode(BEFORE + word)
        spans = (
            _Part(token, max(0, start - len(BEFORE)), end - len(BEFORE))
            for token, (start, end) in zip(row.ids, row.offsets, strict=True)
        )
        return [one for one in spans if one.start < one.end and one.token != self._model.unk_id]

    def _replaced(self, word: str, part: _Part, other: int) -> str:
        new = cased(self._vocabulary.words[other], word[part.start : part.end])
        return word[: part.start] + new + word[part.end :]


class _Part(NamedTuple):
    token: int
    start: int  # in the word
    end: int


@final
@dataclass(frozen=True)
class Listed:
    """What a list of synonyms offers, written as the word that it replaces."""

    synonyms: Synonyms

    def __call__(self, words: Sequence[str]) -> list[list[str]]:
        """Return what may stand for each word."""
        return [[cased(one, word) for one in self.synonyms(word)] for word in words]


@final
@dataclass(frozen=True)
class AnyOf:
    """All that several sources offer, one of each in turn."""

    sources: tuple[Replacements, ...]

    def __call__(self, words: Sequence[str]) -> list[list[str]]:
        """Return what may stand for each word."""
        offered = [source(words) for source in self.sources]
        return [_in_turn([one[i] for one in offered]) for i in range(len(words))]


def _in_turn(offered: Sequence[Sequence[str]]) -> list[str]:
    turns = (one for together in zip_longest(*offered) for one in together if one is not None)
    return list(dict.fromkeys(turns))


def cased(word: str, like: str) -> str:
    """Return the word written as the one it replaces: upper case, capitalised, or as it is."""
    if like.isupper() and len(like) > 1:
        return word.upper()
    return word.capitalize() if like.istitle() else word

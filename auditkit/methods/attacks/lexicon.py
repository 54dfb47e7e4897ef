"""What may replace each word of some texts, and what each replacement does to the tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias, final

import numpy as np
import torch
from torch import Tensor

from auditkit.models.classifier import TextClassifier
from auditkit.types import Ints

Replacements: TypeAlias = Callable[[Sequence[str]], list[list[str]]]
"""Maps words to what may stand for each of them, the best first."""

BEFORE = "a "  # words are read as they are inside a text, not at its beginning
_WIDEST = 8  # tokens that differ, of which the mean is taken
_NUMBERS = 1 << 22  # of embeddings that are held at a time


class Offer(NamedTuple):
    """Every replacement for the words of one text: by entry of the lexicon and by place."""

    entries: Ints  # (c,) which replacement
    pieces: Ints  # (c,) of which piece of the text
    first: Ints  # (c,) token at which the word begins
    last: Ints  # (c,) token behind its end


@final
class Lexicon:
    """The replacements of words, known to the model's own tokenizer.

    Only what the model can tell apart counts: a replacement that reads as the same tokens as the
    word, such as one that the tokenizer's normaliser undoes, is left out, and so is one that reads
    as the same tokens as an earlier one.

    Parameters
    ----------
    model : TextClassifier
        Whose tokens.
    replacements : callable
        What may stand for a word.
    most : int
        Replacements of one word that are kept.
    """

    def __init__(
        self, model: TextClassifier, replacements: Replacements, *, most: int = 1 << 30
    ) -> None:
        self._model, self._replacements, self._most = model, replacements, most
        self._entries: dict[str, Ints] = {}
        self._words: list[str] = []
        self._differences: list[Difference] = []
        self._table: Tensor | None = None

    def look_up(self, words: Iterable[str]) -> None:
        """Learn what may replace some words, all at once."""
        new = [one for one in dict.fromkeys(words) if one not in self._entries]
        offered = self._replacements(new)
        every = [one for word, others in zip(new, offered, strict=True) for one in (word, *others)]
        read = iter(tokens_of(self._model, every))
        for word, others in zip(new, offered, strict=True):
            self._learn(word, others, next(read), [next(read) for _ in others])

    def entries(self, word: str) -> Ints:
        """Return the entries (c,) that may replace a word."""
        if word not in self._entries:
            self.look_up([word])
        return self._entries[word]

    def word(self, entry: int) -> str:
        """Return what an entry puts in the place of its word."""
        return self._words[entry]

    def gains(self, gradients: Tensor, offers: Sequence[Offer]) -> list[Tensor]:
        """Return how much each offer raises the loss to first order, (c,) for each text.

        Tokens e become tokens e'; the gain is (mean e' - mean e) times the sum of the gradients at
        e, which is exact to first order where one token becomes another.

        Parameters
        ----------
        gradients : Tensor
            (m, t, d) of the loss by the embeddings.
        offers : sequence of Offer
            m of them.
        """
        below = torch.nn.functional.pad(gradients.cumsum(dim=1), (0, 0, 1, 0))  # (m, t + 1, d)
        counts = [len(one.entries) for one in offers]
        text = np.repeat(np.arange(len(offers)), counts)
        entry = _joined([one.entries for one in offers])
        first = _joined([one.first for one in offers])
        last = _joined([one.last for one in offers])
        step = max(1, _NUMBERS // (_WIDEST * gradients.shape[2]))
        parts = [
            self._gains(below, text[rows], entry[rows], first[rows], last[rows])
            for rows in (slice(i, i + step) for i in range(0, len(entry), step))
        ]
        gains = torch.cat(parts).cpu() if parts else torch.zeros(0)
        return list(gains.split(counts)) if counts else []

    def _gains(self, below: Tensor, text: Ints, entry: Ints, first: Ints, last: Ints) -> Tensor:
        differences = [self._differences[i] for i in entry.tolist()]
        start = np.minimum(first + [one.start for one in differences], last - 1)
        stop = np.minimum(start + [len(one.old) for one in differences], last)
        rows, a, b = (torch.from_numpy(one).to(below.device) for one in (text, start, stop))
        slopes = below[rows, b] - below[rows, a]  # (c, d)
        moved = self._mean([one.new for one in differences]) - self._mean(
            [one.old for one in differences]
        )
        return (moved * slopes).sum(dim=1)

    def _mean(self, tokens: Sequence[tuple[int, ...]]) -> Tensor:
        """Return the mean embeddings (c, d) of a few tokens each."""
        if self._table is None:
            size = 1 + max(self._model.tokenizer.get_vocab().values())
            self._table = table_of(self._model, size)
        width = max(1, *(len(one) for one in tokens))
        ids = np.zeros((len(tokens), width), dtype=np.int64)
        real = np.zeros((len(tokens), width), dtype=np.float32)
        for i, one in enumerate(tokens):
            ids[i, : len(one)] = one
            real[i, : len(one)] = 1 / max(1, len(one))  # nothing is a vector of zeros
        device = self._table.device
        vectors = self._table[torch.from_numpy(ids).to(device)]  # (c, width, d)
        return (vectors * torch.from_numpy(real).to(device)[:, :, None]).sum(dim=1)

    def _learn(
        self, word: str, others: list[str], old: tuple[int, ...], new: list[tuple[int, ...]]
    ) -> None:
        seen = {old}
        begun = len(self._words)
        for other, tokens in zip(others, new, strict=True):
            if tokens in seen or len(self._words) - begun == self._most:
                continue
            seen.add(tokens)
            self._words.append(other)
            self._differences.append(difference(old, tokens))
        self._entries[word] = np.arange(begun, len(self._words), dtype=np.int64)


class Difference(NamedTuple):
    """Which tokens of a word become which others."""

    start: int
    old: tuple[int, ...]
    new: tuple[int, ...]


def difference(old: tuple[int, ...], new: tuple[int, ...]) -> Difference:
    """Return what is left without the tokens that both begin and end with.

    Where tokens are only left out or only come in, one token beside them is part of the difference.

    Examples
    --------
    >>> difference((7, 8, 9), (7, 5, 9))
    Difference(start=1, old=(8,), new=(5,))
    >>> difference((7, 9), (7, 5, 9))
    Difference(start=0, old=(7,), new=(7, 5))
    """
    shorter = min(len(old), len(new))
    head = next((i for i in range(shorter) if old[i] != new[i]), shorter)
    tail = next((i for i in range(shorter - head) if old[-1 - i] != new[-1 - i]), shorter - head)
    if head + tail == shorter:  # one side would be empty
        head, tail = (head - 1, tail) if head else (head, max(0, tail - 1))
    left, right = old[head : len(old) - tail], new[head : len(new) - tail]
    return Difference(head, left[:_WIDEST], right[:_WIDEST])


def tokens_of(model: TextClassifier, words: Sequence[str]) -> list[tuple[int, ...]]:
    """Return the tokens of words as the tokenizer reads them inside a text."""
    rows = model.tokenizer.encode_batch([BEFORE + one for one in words])
    return [
        tuple(
            token for token, (_, end) in zip(row.ids, row.offsets, strict=True) if end > len(BEFORE)
        )
        for row in rows
    ]


def table_of(model: TextClassifier, size: int) -> Tensor:
    """Return the embeddings (v, d) of all tokens, float32."""
    ids = torch.arange(size, device=model.device)
    with torch.no_grad():
        return model.embed(ids[:, None])[:, 0].float()


def _joined(parts: Sequence[Ints]) -> Ints:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

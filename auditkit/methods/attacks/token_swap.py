"""Replace a few words by near neighbours in the model's own embedding space, or by typos."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self, final

import torch
from torch import Tensor
from torch.nn import functional

from auditkit.methods.attacks.active_set import (
    CLEARLY,
    misclassified,
    scores_and_gradients,
)
from auditkit.methods.attacks.losses import log_odds_against
from auditkit.methods.corruptions.typos import KINDS
from auditkit.models.classifier import TextClassifier
from auditkit.randomness import uniform
from auditkit.types import Keys

TYPO_KINDS = ("swap", "drop", "keyboard")
SHORTEST_TYPO = 4  # letters: a mistyped shorter word is often another word
_WORD = re.compile(r"([^\W_]+(?:['\u2019-][^\W_]+)*)")


@final
@dataclass(frozen=True, kw_only=True)
class Swapped:
    """A text, some of whose words were replaced."""

    pieces: tuple[str, ...]  # words at odd places, what stands between them at even ones
    was: tuple[str, ...]  # the same pieces before the attack
    flipped: bool  # whether the model's answer is wrong
    usable_gradient: bool = True  # whether the first gradient was finite and not zero everywhere

    @property
    def text(self) -> str:
        """The text as the model reads it."""
        return "".join(self.pieces)

    @property
    def changes(self) -> int:
        """Number of words replaced."""
        return sum(now != was for now, was in zip(self.pieces, self.was, strict=True))


class Edit(NamedTuple):
    """One word replaced: which piece, and by what."""

    piece: int
    new: str


@final
@dataclass(frozen=True)
class Vocabulary:
    """The model's words and, for every token, the words that lie nearest to it."""

    embeddings: Tensor  # (v, d)
    words: tuple[str, ...]  # v; empty where a token is special or does not read as a word
    neighbours: Tensor  # (v, m) ids by cosine, nearest first; never the token itself

    @classmethod
    def of(cls, model: TextClassifier, neighbours: int) -> Self:
        """Return the vocabulary of a model with this many neighbours, fewer if it is small."""
        tokenizer = model.tokenizer
        size = 1 + max(tokenizer.get_vocab().values())
        added = tokenizer.get_added_tokens_decoder()
        special = {i for i, token in added.items() if token.special} | {model.pad_id, model.unk_id}
        read = ["" if i in special else tokenizer.decode([i]).strip() for i in range(size)]
        words = tuple(word if _WORD.fullmatch(word) else "" for word in read)
        ids = torch.arange(size, device=model.device)
        with torch.no_grad():
            embeddings = model.embed(ids[:, None])[:, 0].float()
        usable = torch.tensor([bool(word) for word in words], device=model.device)
        return cls(embeddings, words, _nearest(embeddings, usable, neighbours))

    def gains(self, ids: Tensor, gradients: Tensor) -> Tensor:
        """Return how much each neighbour raises the loss to first order, (m, t, neighbours).

        Replacing embedding e_i by e_j gains (e_j - e_i) . gradient_i.
        """
        others = self.neighbours[ids]  # (m, t, neighbours)
        columns = [
            ((self.embeddings[others[:, :, k]] - self.embeddings[ids]) * gradients).sum(dim=2)
            for k in range(others.shape[2])
        ]
        return torch.stack(columns, dim=2) if columns else gradients.new_zeros(*ids.shape, 0)


def token_swap(
    model: TextClassifier,
    texts: Sequence[str],
    labels: Tensor,
    *,
    max_changes: int,
    neighbours: int,
    queries: int,
    keys: Keys,
    batch_size: int = 128,
) -> list[Swapped]:
    """Return each text after a greedy search for few replaced words that make the answer wrong.

    In every round each text that still holds tries the `queries` replacements that the gradient
    ranks highest, and one typo of each kind per word; the candidate that the model rates worst goes
    on. Only words not yet replaced may change, so a larger `max_changes` continues the same search.
    Every candidate is judged as text, through the tokenizer. A text whose answer is wrong as it
    stands comes back unchanged.

    Parameters
    ----------
    model : TextClassifier
        The model under attack.
    texts : sequence of str
        n texts.
    labels : Tensor
        (n,) int64, on the CPU.
    max_changes : int
        Words that may be replaced.
    neighbours : int
        Nearest vocabulary words, by cosine, that may stand in for a token.
    queries : int
        Neighbour replacements tried per text and round.
    keys : ndarray
        (n,) one key per text; they choose the typos.
    batch_size : int
        Texts per forward pass.

    References
    ----------
    First-order ranking of replacements: Ebrahimi et al., 2018, arXiv:1712.06751, section 3.
    Greedy search over words: Jin et al., 2020, arXiv:1907.11932.
    """
    wrong = misclassified(model.predict(list(texts), batch_size=batch_size), labels).tolist()
    pieces = [tuple(_WORD.split(text)) for text in texts]
    states = [Swapped(pieces=p, was=p, flipped=w) for p, w in zip(pieces, wrong, strict=True)]
    typos = [_typos(p, keys[i : i + 1]) for i, p in enumerate(pieces)]
    search = _Search(model, Vocabulary.of(model, neighbours), queries, batch_size)
    for turn in range(max_changes):
        held = [i for i, one in enumerate(states) if not one.flipped and one.changes == turn]
        for start in range(0, len(held), batch_size):
            rows = held[start : start + batch_size]
            moved = search.step([states[i] for i in rows], labels[rows], [typos[i] for i in rows])
            for i, state in zip(rows, moved, strict=True):
                states[i] = state
    return states


@dataclass(frozen=True)
class _Search:
    model: TextClassifier
    vocabulary: Vocabulary
    queries: int
    batch_size: int

    def step(self, states: list[Swapped], labels: Tensor, typos: list[list[Edit]]) -> list[Swapped]:
        """Return the states with one more word replaced, where any replacement is left."""
        encoded = self.model.encode([state.text for state in states])
        slopes = scores_and_gradients(
            lambda points: self.model.logits_from_embeddings(points, encoded.mask),
            self.model.embed(encoded.ids),
            labels.to(encoded.ids.device),
        )
        real = (encoded.mask & ~encoded.special)[:, :, None]
        gradients = slopes.gradients.float().where(real, 0.0)  # (m, t, d)
        flat = gradients.flatten(1)
        usable = (flat.isfinite().all(dim=1) & (flat != 0).any(dim=1)).tolist()
        gains = self.vocabulary.gains(encoded.ids, torch.nan_to_num(gradients)).cpu()
        near = self.vocabulary.neighbours[encoded.ids].tolist()  # (m, t, neighbours)
        edits = [
            self._swaps(state, near[i], encoded.offsets[i], gains[i])
            + [typo for typo in typos[i] if _untouched(state, typo.piece)]
            for i, state in enumerate(states)
        ]
        return [
            replace(one, usable_gradient=usable[i] if was.changes == 0 else was.usable_gradient)
            for i, (one, was) in enumerate(
                zip(self._worst(states, edits, labels), states, strict=True)
            )
        ]

    def _swaps(
        self,
        state: Swapped,
        near: list[list[int]],
        offsets: list[tuple[int, int]],
        gains: Tensor,
    ) -> list[Edit]:
        """Return the neighbour replacements (at most `queries`) that gain most to first order."""
        places = _places(state, offsets)
        chosen: dict[Edit, None] = {}  # in order, each once
        for flat in gains.flatten().argsort(descending=True, stable=True).tolist():
            if len(chosen) == self.queries:
                break
            token, choice = divmod(flat, gains.shape[1])
            if token not in places:
                continue
            piece, start, end = places[token]
            word = self.vocabulary.words[near[token][choice]]
            old = state.pieces[piece]
            new = old[:start] + _cased(word, old[start:end]) + old[end:]
            if new != old:
                chosen[Edit(piece, new)] = None
        return list(chosen)

    def _worst(
        self, states: list[Swapped], edits: list[list[Edit]], labels: Tensor
    ) -> list[Swapped]:
        """Return each state after its worst edit: a wrong answer if there is one."""
        tried = [_edited(s, one) for s, mine in zip(states, edits, strict=True) for one in mine]
        owner = torch.tensor([i for i, mine in enumerate(edits) for _ in mine], dtype=torch.int64)
        logits = self.model.predict([one.text for one in tried], batch_size=self.batch_size)
        wrong = misclassified(logits, labels[owner], margin=CLEARLY)
        loss = log_odds_against(logits, labels[owner]).nan_to_num(nan=-torch.inf)
        moved = list(states)
        for i in range(len(states)):
            (mine,) = torch.where(owner == i)
            if wrong[mine].any():
                mine = mine[wrong[mine]]
            if len(mine):
                best = int(mine[loss[mine].argmax()])
                moved[i] = replace(tried[best], flipped=bool(wrong[best]))
        return moved


def _nearest(embeddings: Tensor, usable: Tensor, count: int) -> Tensor:
    """Return (v, m) ids of the nearest usable tokens by cosine."""
    unit = functional.normalize(embeddings, dim=1)
    everything = torch.arange(len(unit), device=unit.device)
    count = max(0, min(count, int(usable.sum()) - 1))
    rows: list[Tensor] = []
    for ids in everything.split(1024):
        likeness = (unit[ids] @ unit.T).masked_fill(~usable, -torch.inf)  # (1024, v)
        likeness[torch.arange(len(ids), device=unit.device), ids] = -torch.inf
        rows.append(likeness.topk(count, dim=1).indices)
    return torch.cat(rows)


def _typos(pieces: tuple[str, ...], key: Keys) -> list[Edit]:
    """Return one typo of each kind for every word that is long enough."""
    draws = uniform(key, (len(pieces), len(TYPO_KINDS)))[0]
    found: list[Edit] = []
    for i in range(1, len(pieces), 2):
        for j, kind in enumerate(TYPO_KINDS):
            versions = KINDS[kind](pieces[i]) if len(pieces[i]) >= SHORTEST_TYPO else []
            if versions:
                found.append(Edit(i, versions[int(draws[i, j] * len(versions))]))
    return found


def _places(state: Swapped, offsets: list[tuple[int, int]]) -> dict[int, tuple[int, int, int]]:
    """Map tokens that lie in one word not yet replaced to (piece, start, end within it)."""
    spans: list[tuple[int, int, int]] = []  # piece, start, end in the text
    done = 0
    for i, piece in enumerate(state.pieces):
        if i % 2 and _untouched(state, i):
            spans.append((i, done, done + len(piece)))
        done += len(piece)
    text = state.text
    found: dict[int, tuple[int, int, int]] = {}
    for token, (start, end) in enumerate(offsets):
        for piece, first, last in spans:
            a, b = max(start, first), min(end, last)
            if a < b and text[start:end].strip() == text[a:b]:
                found[token] = (piece, a - first, b - first)
    return found


def _untouched(state: Swapped, piece: int) -> bool:
    return state.pieces[piece] == state.was[piece]


def _edited(state: Swapped, edit: Edit) -> Swapped:
    pieces = (*state.pieces[: edit.piece], edit.new, *state.pieces[edit.piece + 1 :])
    return replace(state, pieces=pieces)


def _cased(word: str, like: str) -> str:
    """Return the word written as the one it replaces: upper case, capitalised, or as it is."""
    if like.isupper() and len(like) > 1:
        return word.upper()
    return word.capitalize() if like.istitle() else word

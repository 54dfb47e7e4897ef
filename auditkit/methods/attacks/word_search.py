"""Search for few edited words that make a model's answer wrong: nested beams, in batches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, Protocol, TypeAlias, final

import numpy as np
import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import CLEARLY, misclassified, scores_and_gradients
from auditkit.methods.attacks.lexicon import Lexicon, Offer
from auditkit.methods.attacks.losses import log_odds_against
from auditkit.models.classifier import TextClassifier
from auditkit.types import Ints

Access: TypeAlias = Literal["gradients", "scores", "decisions"]
"""What an attacker sees of the model: its slopes, its logits, or its answers alone."""

WORD = re.compile(r"([^\W_]+(?:['\u2019-][^\W_]+)*)")


class Edit(NamedTuple):
    """One word replaced: which piece, and by what."""

    piece: int
    new: str


@final
@dataclass(frozen=True, kw_only=True)
class Reworded:
    """A text, some of whose words were replaced."""

    pieces: tuple[str, ...]  # words at odd places, what stands between them at even ones
    was: tuple[str, ...]  # the same pieces before the attack
    flipped: bool = False  # whether the model's answer is wrong
    usable_gradient: bool = True  # whether the first gradient was finite and not zero everywhere
    queries: int = 0  # texts that the model read for it; a gradient counts as one

    @classmethod
    def of(cls, text: str) -> Reworded:
        """Return a text as it stands."""
        pieces = tuple(WORD.split(text))
        return cls(pieces=pieces, was=pieces)

    @property
    def text(self) -> str:
        """The text as the model reads it."""
        return "".join(self.pieces)

    @property
    def changes(self) -> int:
        """Number of words replaced."""
        return sum(now != was for now, was in zip(self.pieces, self.was, strict=True))

    @property
    def words(self) -> int:
        """Number of words."""
        return len(self.pieces) // 2

    @property
    def untouched(self) -> Iterator[int]:
        """The places of the words that are as they were."""
        return (i for i in range(1, len(self.pieces), 2) if self.pieces[i] == self.was[i])

    def edited(self, edit: Edit) -> Reworded:
        """Return the text with one word replaced."""
        pieces = (*self.pieces[: edit.piece], edit.new, *self.pieces[edit.piece + 1 :])
        return replace(self, pieces=pieces)


def search_words(
    model: TextClassifier,
    texts: Sequence[str],
    labels: Tensor,
    lexicon: Lexicon,
    *,
    limits: Ints,
    beam: int,
    queries: int,
    access: Literal["gradients", "scores"] = "gradients",
    batch_size: int = 128,
) -> list[Reworded]:
    """Return each text after a search for few replaced words that make the answer wrong.

    In every round each text that still holds has up to `beam` versions, and of each version the
    `queries` most promising edits of one more word are tried. The next first version is the worst
    child of the first; the next second one the worst other child of the first two; and so on. So a
    narrower beam tries a part of what a wider one tries, and fewer words a part of what more words
    do: what falls to the smaller budget falls to the larger. A beam of 1 is a greedy search.

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
    lexicon : Lexicon
        What may replace each word.
    limits : ndarray
        (n,) words that may be replaced.
    beam : int
        Versions of a text that are followed.
    queries : int
        Edits tried per version and round.
    access : {"gradients", "scores"}
        How edits are ranked: by the gradient, to first order; or by how much the log odds rise when
        the word is left out, for models that only answer.
    batch_size : int
        Texts per forward pass.

    References
    ----------
    First-order ranking of replacements: Ebrahimi et al., 2018, arXiv:1712.06751, section 3.
    Greedy search by importance of words: Jin et al., 2020, arXiv:1907.11932, section 3.
    """
    asked = Asked(model, batch_size)
    rank: Rank = Slopes(model, lexicon) if access == "gradients" else Importance(asked, lexicon)
    search = _Search(asked, rank, beam, queries)
    found = asked.as_they_stand(texts, labels)
    beams = [[one] for one in found]
    lexicon.look_up(one.pieces[i] for one in found for i in one.untouched)
    for turn in range(int(limits.max(initial=0))):
        held = [i for i, one in enumerate(found) if not one.flipped and turn < limits[i]]
        held = [i for i in held if beams[i]]
        size = max(1, batch_size // beam)
        for start in range(0, len(held), size):
            rows = held[start : start + size]
            moved = search.step([beams[i] for i in rows], labels[rows])
            for i, versions in zip(rows, moved, strict=True):
                found[i] = _carried(found[i], versions)
                beams[i] = versions.kept
    return found


@final
@dataclass(frozen=True)
class Asked:
    """A model that texts are shown to, in batches."""

    model: TextClassifier
    batch_size: int

    def as_they_stand(self, texts: Sequence[str], labels: Tensor) -> list[Reworded]:
        """Return the texts before any edit, with whether they are wrong already."""
        logits = self.model.predict(list(texts), batch_size=self.batch_size)
        wrong = misclassified(logits, labels).tolist()
        return [
            replace(Reworded.of(text), flipped=one, queries=1)
            for text, one in zip(texts, wrong, strict=True)
        ]

    def read(self, texts: Sequence[str]) -> Tensor:
        """Return logits (m, k), shortest texts first so that batches hold little padding."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        logits = self.model.predict([texts[i] for i in order], batch_size=self.batch_size)
        back = torch.empty(len(texts), dtype=torch.int64)
        back[torch.tensor(order, dtype=torch.int64)] = torch.arange(len(texts))
        return logits[back]


@final
@dataclass(frozen=True)
class _Versions:
    """What one round gave for one text."""

    kept: list[Reworded]  # at most `beam`, the first the worst
    wrong: Reworded | None  # the worst that makes the answer wrong
    queries: int
    usable_gradient: bool


def _carried(before: Reworded, versions: _Versions) -> Reworded:
    """Return what stands for a text after a round: a wrong answer, or else its first version."""
    best = versions.wrong or (versions.kept[0] if versions.kept else before)
    first = before.changes == 0
    usable = versions.usable_gradient if first else before.usable_gradient
    return replace(best, queries=before.queries + versions.queries, usable_gradient=usable)


class Rank(Protocol):
    """Orders the edits of versions of texts by promise."""

    def edits(self, states: Sequence[Reworded], labels: Tensor, count: int) -> list[Ranked]:
        """Return at most `count` edits of each version, the most promising first."""
        ...


class Ranked(NamedTuple):
    """Edits of one version, and what it took to rank them."""

    edits: list[Edit]
    queries: int
    usable_gradient: bool = True


@final
@dataclass(frozen=True)
class _Search:
    asked: Asked
    rank: Rank
    beam: int
    queries: int

    def step(self, beams: Sequence[list[Reworded]], labels: Tensor) -> list[_Versions]:
        """Return the versions with one more word replaced, where any replacement is left."""
        owner = [i for i, versions in enumerate(beams) for _ in versions]
        flat = [one for versions in beams for one in versions]
        ranked = iter(self.rank.edits(flat, labels[owner], self.queries))
        families = [_family(versions, [next(ranked) for _ in versions]) for versions in beams]
        children = [child for one in families for child in one.children]
        logits = self.asked.read([one.text for one in children])
        whose = torch.tensor([i for i, one in enumerate(families) for _ in one.children]).long()
        wrong = misclassified(logits, labels[whose], margin=CLEARLY).tolist()
        loss = log_odds_against(logits, labels[whose]).nan_to_num(nan=-torch.inf).tolist()
        found: list[_Versions] = []
        start = 0
        for one in families:
            part = slice(start, start + len(one.children))
            found.append(one.judged(wrong[part], loss[part], self.beam))
            start = part.stop
        return found


@final
@dataclass(frozen=True)
class _Family:
    """The different children of the versions of one text, and of which version each is."""

    children: list[Reworded]
    parents: list[int]
    queries: int
    usable_gradient: bool

    def judged(self, wrong: list[bool], loss: list[float], beam: int) -> _Versions:
        """Return the versions that go on: each place goes to a child of its own or earlier ones."""
        order = sorted(range(len(loss)), key=lambda i: (-loss[i], i))
        fallen = next((i for i in order if wrong[i]), None)
        kept: list[int] = []
        for place in range(beam):
            mine = (i for i in order if self.parents[i] <= place and i not in kept)
            best = next(mine, None)
            if best is None:
                break
            kept.append(best)
        return _Versions(
            kept=[self.children[i] for i in kept],
            wrong=None if fallen is None else replace(self.children[fallen], flipped=True),
            queries=self.queries,
            usable_gradient=self.usable_gradient,
        )


def _family(versions: Sequence[Reworded], ranked: Sequence[Ranked]) -> _Family:
    children: dict[tuple[str, ...], tuple[Reworded, int]] = {}
    for parent, (version, one) in enumerate(zip(versions, ranked, strict=True)):
        for edit in one.edits:
            child = version.edited(edit)
            children.setdefault(child.pieces, (child, parent))
    asked = sum(one.queries for one in ranked)
    return _Family(
        [child for child, _ in children.values()],
        [parent for _, parent in children.values()],
        len(children) + asked,
        ranked[0].usable_gradient,
    )


# --- which edits are tried first ------------------------------------------------------------------


@final
@dataclass(frozen=True)
class Slopes:
    """Ranks edits by how much they raise the log odds to first order."""

    model: TextClassifier
    lexicon: Lexicon

    def edits(self, states: Sequence[Reworded], labels: Tensor, count: int) -> list[Ranked]:
        """Return at most `count` edits of each version, the most promising first."""
        encoded = self.model.encode([one.text for one in states])
        slopes = scores_and_gradients(
            lambda points: self.model.logits_from_embeddings(points, encoded.mask),
            self.model.embed(encoded.ids),
            labels.to(encoded.ids.device),
        )
        real = (encoded.mask & ~encoded.special)[:, :, None]
        gradients = slopes.gradients.float().where(real, 0.0)  # (m, t, d)
        flat = gradients.flatten(1)
        usable = (flat.isfinite().all(dim=1) & (flat != 0).any(dim=1)).tolist()
        offers = [_offers(one, encoded.offsets[i], self.lexicon) for i, one in enumerate(states)]
        gains = self.lexicon.gains(torch.nan_to_num(gradients), offers)
        return [
            Ranked(_best(offer, gain, count, self.lexicon), 1, ok)
            for offer, gain, ok in zip(offers, gains, usable, strict=True)
        ]


def _offers(state: Reworded, offsets: list[tuple[int, int]], lexicon: Lexicon) -> Offer:
    spans = _tokens_of_words(state, offsets)
    rows: list[Ints] = []
    places: list[tuple[int, int, int]] = []
    for piece in state.untouched:
        entries = lexicon.entries(state.pieces[piece])
        if len(entries) and piece in spans:  # a word that was cut off cannot matter
            rows.append(entries)
            places.append((piece, *spans[piece]))
    counts = [len(one) for one in rows]
    where = np.repeat(np.array(places, dtype=np.int64).reshape(-1, 3), counts, axis=0)  # (c, 3)
    entries = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
    return Offer(entries, where[:, 0], where[:, 1], where[:, 2])


def _tokens_of_words(state: Reworded, offsets: list[tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """Map pieces that are words to their first token and the one behind their last."""
    ends = np.cumsum([len(piece) for piece in state.pieces])
    found: dict[int, tuple[int, int]] = {}
    for token, (start, end) in enumerate(offsets):
        if start >= end:
            continue
        first, last = np.searchsorted(ends, [start, end - 1], side="right").tolist()
        for piece in range(first, min(last + 1, len(state.pieces))):
            if piece % 2:
                begun = found.get(piece, (token, token))[0]
                found[piece] = (begun, token + 1)
    return found


def _best(offer: Offer, gains: Tensor, count: int, lexicon: Lexicon) -> list[Edit]:
    order = gains.argsort(descending=True, stable=True)[:count].tolist()
    return [Edit(int(offer.pieces[i]), lexicon.word(int(offer.entries[i]))) for i in order]


@final
@dataclass
class Importance:
    """Ranks words by how much leaving them out hurts, and tries all that may replace the first."""

    asked: Asked
    lexicon: Lexicon
    _known: dict[tuple[tuple[str, ...], int], list[int]] = field(default_factory=dict)

    def edits(self, states: Sequence[Reworded], labels: Tensor, count: int) -> list[Ranked]:
        """Return at most `count` edits of each version, those of the most important word first."""
        spent = self._measure(states, labels)
        return [
            Ranked(list(self._tried(one, int(label), count)), queries)
            for one, label, queries in zip(states, labels.tolist(), spent, strict=True)
        ]

    def _tried(self, state: Reworded, label: int, count: int) -> Iterator[Edit]:
        left, untouched = count, set(state.untouched)
        for piece in self._known[state.was, label]:
            if piece in untouched:
                for entry in self.lexicon.entries(state.pieces[piece]).tolist()[:left]:
                    yield Edit(piece, self.lexicon.word(entry))
                    left -= 1

    def _measure(self, states: Sequence[Reworded], labels: Tensor) -> list[int]:
        """Order the words of texts that are new, by leaving each out; return what that took."""
        spent = [0] * len(states)
        shortened: list[str] = []
        new: list[tuple[int, list[int]]] = []  # which state, which pieces
        for i, (one, label) in enumerate(zip(states, labels.tolist(), strict=True)):
            if (one.was, label) in self._known:
                continue
            pieces = [p for p in one.untouched if len(self.lexicon.entries(one.pieces[p]))]
            self._known[one.was, label] = []
            new.append((i, pieces))
            shortened += [one.edited(Edit(piece, "")).text for piece in pieces]
            spent[i] = len(pieces)
        whose = torch.tensor([i for i, pieces in new for _ in pieces], dtype=torch.int64)
        losses = log_odds_against(self.asked.read(shortened), labels[whose]).nan_to_num()
        for (i, pieces), mine in zip(
            new, losses.split([len(pieces) for _, pieces in new]) if new else (), strict=True
        ):
            order = mine.argsort(descending=True, stable=True).tolist()
            self._known[states[i].was, int(labels[i])] = [pieces[j] for j in order]
        return spent

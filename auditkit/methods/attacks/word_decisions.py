"""Few replaced words that make an answer wrong, found by looking at answers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import misclassified
from auditkit.methods.attacks.lexicon import Lexicon
from auditkit.methods.attacks.word_search import Asked, Edit, Reworded
from auditkit.models.classifier import TextClassifier
from auditkit.randomness import key_of, uniform
from auditkit.types import Floats, Ints, Keys

PASSES = 2  # over the words of a text that fell, to put words back


def decide_words(
    model: TextClassifier,
    texts: Sequence[str],
    labels: Tensor,
    lexicon: Lexicon,
    *,
    limits: Ints,
    starts: int,
    keys: Keys,
    batch_size: int = 128,
) -> list[Reworded]:
    """Return each text with few words replaced so that the answer is wrong, where that was found.

    Every start replaces all words at random. Where that makes the answer wrong, words are put back
    one by one as long as it stays wrong, in random order, twice. The start that needed the fewest
    replaced words counts, so that more starts never find less.

    Parameters
    ----------
    model : TextClassifier
        The model under attack; only which class it names is looked at.
    texts : sequence of str
        n texts.
    labels : Tensor
        (n,) int64, on the CPU.
    lexicon : Lexicon
        What may replace each word.
    limits : ndarray
        (n,) words that may be replaced; a text that needs more counts as held.
    starts : int
        Random starts per text.
    keys : ndarray
        (n,) one key per text.
    batch_size : int
        Texts per forward pass.

    References
    ----------
    After Maheshwary et al., 2021, arXiv:2012.14956, section 3 (initialisation, reduction).
    """
    asked = Asked(model, batch_size)
    clean = asked.as_they_stand(texts, labels)
    lexicon.look_up(one.pieces[i] for one in clean for i in one.untouched)
    best = list(clean)
    for start in range(starts):
        tried = _one_start(asked, clean, labels, lexicon, _anew(keys, start))
        for i, (now, old) in enumerate(zip(tried, best, strict=True)):
            better = now.flipped and (not old.flipped or now.changes < old.changes)
            spent = old.queries + now.queries - clean[i].queries
            best[i] = replace(now if better else old, queries=spent)
    return [
        one if one.changes <= limit else replace(clean[i], queries=one.queries)
        for i, (one, limit) in enumerate(zip(best, limits.tolist(), strict=True))
    ]


def _one_start(
    asked: Asked, clean: Sequence[Reworded], labels: Tensor, lexicon: Lexicon, keys: Keys
) -> list[Reworded]:
    draws = [uniform(keys[i : i + 1], (2 + PASSES, one.words))[0] for i, one in enumerate(clean)]
    states = [
        one if one.flipped else _all_replaced(one, lexicon, draws[i][0])
        for i, one in enumerate(clean)
    ]
    fallen = [i for i, one in enumerate(states) if one.changes]
    states = _judged(asked, states, labels, fallen)
    fallen = [i for i in fallen if states[i].flipped]
    for turn in range(PASSES):
        order = {i: _order(states[i], draws[i][1 + turn]) for i in fallen}
        for place in range(max((len(one) for one in order.values()), default=0)):
            rows = [i for i in fallen if place < len(order[i])]
            shorter = list(states)
            for i in rows:
                piece = order[i][place]
                shorter[i] = states[i].edited(Edit(piece, states[i].was[piece]))
            shorter = _judged(asked, shorter, labels, rows)
            for i in rows:
                kept = shorter[i] if shorter[i].flipped else states[i]
                states[i] = replace(kept, queries=shorter[i].queries)
    return states


def _all_replaced(state: Reworded, lexicon: Lexicon, draws: Floats) -> Reworded:
    """Return a text with every word replaced that can be, each at random."""
    pieces = list(state.pieces)
    for piece, draw in zip(range(1, len(pieces), 2), draws.tolist(), strict=True):
        entries = lexicon.entries(pieces[piece])
        if len(entries):
            pieces[piece] = lexicon.word(int(entries[int(draw * len(entries))]))
    return replace(state, pieces=tuple(pieces))


def _judged(
    asked: Asked, states: Sequence[Reworded], labels: Tensor, rows: Sequence[int]
) -> list[Reworded]:
    """Return the states with what the model says to some of them."""
    wrong = misclassified(
        asked.read([states[i].text for i in rows]), labels[torch.tensor(rows, dtype=torch.int64)]
    )
    judged = list(states)
    for i, one in zip(rows, wrong.tolist(), strict=True):
        judged[i] = replace(states[i], flipped=one, queries=states[i].queries + 1)
    return judged


def _order(state: Reworded, draws: Floats) -> list[int]:
    """Return the pieces that are replaced, in random order."""
    return [
        piece
        for piece in (1 + 2 * np.argsort(draws, kind="stable")).tolist()
        if state.pieces[piece] != state.was[piece]
    ]


def _anew(keys: Keys, start: int) -> Keys:
    return np.array([key_of(int(key), start) for key in keys], dtype=np.uint64)

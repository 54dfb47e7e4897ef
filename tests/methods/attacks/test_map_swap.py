"""Mirrors auditkit/methods/attacks/map_swap.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product

import numpy as np
import pytest

from auditkit.methods.attacks.lexicon import Lexicon
from auditkit.methods.attacks.map_swap import map_swap, random_swap
from auditkit.methods.attacks.word_search import Reworded
from auditkit.randomness import keys_of
from auditkit.types import Bools
from tests.methods.saliency.nets import word_model

OTHERS = {"a": ["b", "c"], "d": ["e"], "f": ["g", "h"]}
WORTH = {"b": 0.5, "c": 0.2, "e": 0.4, "g": 0.1, "h": 0.9}
KEY = keys_of(0, "swap", ["one"])


def lexicon() -> Lexicon:
    model = word_model([*OTHERS, *WORTH])
    return Lexicon(model, lambda words: [OTHERS.get(word, []) for word in words])


def likeness(version: Reworded) -> float:
    """A map that moves by what each replacement is worth."""
    return 1 - sum(WORTH.get(piece, 0.0) for piece in version.pieces)


def everything(versions: Sequence[Reworded]) -> Bools:
    return np.ones(len(versions), dtype=np.bool_)


def without_h(versions: Sequence[Reworded]) -> Bools:
    return np.array(["h" not in one.pieces for one in versions], dtype=np.bool_)


@pytest.mark.parametrize("keeps", [everything, without_h])
@pytest.mark.parametrize("words", [1, 2, 3])
def test_with_all_tries_the_worst_of_all_versions_that_keep_the_answer_is_found(
    keeps: Callable[[Sequence[Reworded]], Bools], words: int
):
    """What replacements are worth adds up here, so that a greedy search finds the best."""
    text = Reworded.of("a d, f")
    every = [
        Reworded.of("{} {}, {}".format(*some))
        for some in product(*([word, *others] for word, others in OTHERS.items()))
    ]
    allowed = [
        one
        for one in every
        if keeps([one])[0] and sum(piece in WORTH for piece in one.pieces) <= words
    ]
    best = min(allowed, key=likeness)
    found = map_swap(text, lexicon(), keeps, likeness, words=words, tries=9, key=KEY)
    assert found.text == best.text
    assert found.changes <= words


def test_few_tries_are_drawn_by_the_key():
    text = Reworded.of("a d f")
    found = {
        map_swap(
            text, lexicon(), everything, likeness, words=1, tries=1, key=keys_of(seed, "", ["one"])
        ).text
        for seed in range(40)
    }
    assert found == {"b d f", "c d f", "a e f", "a d g", "a d h"}


def test_where_nothing_may_be_replaced_or_the_map_is_undefined_the_text_comes_back():
    swapped = partial(map_swap, words=2, tries=9, key=KEY)
    for said in ("x y", ""):
        assert swapped(Reworded.of(said), lexicon(), everything, likeness).text == said
    text = Reworded.of("a d")
    nobody = swapped(text, lexicon(), lambda some: ~everything(some), likeness)
    nowhere = swapped(text, lexicon(), everything, lambda one: float("nan"))
    assert nobody.changes == nowhere.changes == 0


def test_a_map_that_does_not_move_costs_one_word():
    found = map_swap(
        Reworded.of("a d f"), lexicon(), everything, lambda one: 1.0, words=3, tries=9, key=KEY
    )
    assert found.changes == 1


def test_random_swaps_replace_as_many_words_as_there_are():
    text = Reworded.of("a x d a")
    for seed, words in product(range(10), (1, 2, 5)):
        found = random_swap(text, lexicon(), words=words, key=keys_of(seed, "", ["one"]))
        assert found.changes == min(words, 3)
        for now, was in zip(found.pieces, found.was, strict=True):
            assert now == was or now in OTHERS[was]

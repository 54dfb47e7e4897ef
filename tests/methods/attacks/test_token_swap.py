"""Mirrors auditkit/methods/attacks/token_swap.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import Whitespace

from auditkit.methods.attacks.synonyms import Synonyms
from auditkit.methods.attacks.token_swap import AnyOf, Listed, Neighbours, Vocabulary
from auditkit.models.classifier import TextClassifier
from tests.methods.attacks.subjects import WORDS, BagOfWords, bag_of_words


@pytest.mark.parametrize("min_cosine", [-1.0, 0.0, 0.5, 0.9])
def test_neighbours_are_the_nearest_by_cosine_and_near_enough(min_cosine: float) -> None:
    subject = bag_of_words(0)
    table = subject.model.module.table.weight.double().numpy()[2:]  # type: ignore[union-attr]
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    found = Neighbours(subject.artifacts.text_model, count=5, min_cosine=min_cosine)(WORDS)
    for i, near in enumerate(found):
        likeness = unit @ unit[i]
        likeness[i] = -np.inf
        order = np.argsort(-likeness)[:5]
        assert near == [WORDS[j] for j in order if likeness[j] >= min_cosine]
    counts = [len(near) for near in found]
    assert max(counts) == 5 if min_cosine < 0.5 else min(counts) < 5


def test_an_unknown_word_and_a_word_of_two_have_their_own_answers() -> None:
    near = Neighbours(bag_of_words(0).artifacts.text_model, count=3, min_cosine=-1)
    unheard, two, capital = near(["unheard", "amber-birch", "Amber"])
    assert unheard == []  # the embedding of [UNK] says nothing about it
    assert len(two) == 6
    assert all(("amber-" in one) != ("-birch" in one) for one in two)
    assert all(one[0].isupper() for one in capital)


def test_special_tokens_are_never_proposed() -> None:
    vocabulary = Vocabulary(bag_of_words(0).artifacts.text_model)
    assert vocabulary.words[:2] == ("", "")
    for i, near in enumerate(vocabulary.nearest(range(2, 22), count=100, min_cosine=-1), start=2):
        assert len(near) == 19  # fewer than asked: the vocabulary is small
        assert i not in near
        assert min(near) >= 2


def test_parts_of_words_are_replaced_inside_their_word() -> None:
    """With a subword tokenizer the text is changed at the characters of the token."""
    pieces = ["[PAD]", "[UNK]", "a", "snow", "rain", "##fall", "##drop", "is", "was", "here"]
    tokenizer = Tokenizer(WordPiece({p: i for i, p in enumerate(pieces)}, unk_token="[UNK]"))  # type: ignore[call-arg]
    tokenizer.pre_tokenizer = Whitespace()  # type: ignore[assignment]
    tokenizer.add_special_tokens(["[PAD]", "[UNK]"])
    embeddings = torch.eye(len(pieces))
    embeddings[4] = embeddings[3] + 0.1  # rain beside snow
    network = BagOfWords(embeddings, torch.zeros(2, len(pieces)), torch.zeros(2))
    model = TextClassifier(network, tokenizer=tokenizer, classes=["a", "b"], max_length=16)
    assert Neighbours(model, count=1, min_cosine=0.5)(["snowfall"]) == [["rainfall"]]


def test_lists_keep_the_case_and_sources_take_turns() -> None:
    listed = Listed(Synonyms({"big": ("large", "vast"), "tiny": ("small",)}, ""))
    assert listed(["big", "Big", "BIG", "odd"]) == [
        ["large", "vast"],
        ["Large", "Vast"],
        ["LARGE", "VAST"],
        [],
    ]
    other = Listed(Synonyms({"big": ("huge", "large")}, ""))
    assert AnyOf((listed, other))(["big", "tiny", "odd"]) == [
        ["large", "huge", "vast"],
        ["small"],
        [],
    ]

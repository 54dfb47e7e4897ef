"""Mirrors auditkit/methods/attacks/word_decisions.py."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from auditkit.methods.attacks.lexicon import Lexicon
from auditkit.methods.attacks.word_decisions import decide_words
from auditkit.methods.attacks.word_search import Edit, Reworded
from auditkit.models.classifier import TextClassifier
from tests.methods.attacks.subjects import bag_of_words
from tests.methods.attacks.test_word_search import attacked, offered
from tests.subjects import Subject


def decided(
    subject: Subject, *, max_changes: int = 6, starts: int = 4, batch_size: int = 128
) -> list[Reworded]:
    artifacts = subject.artifacts
    return decide_words(
        artifacts.text_model,
        artifacts.texts,
        artifacts.labels,
        Lexicon(artifacts.text_model, offered),
        limits=np.full(len(artifacts.texts), max_changes),
        starts=starts,
        keys=artifacts.keys("test"),
        batch_size=batch_size,
    )


@pytest.mark.parametrize("seed", range(3))
def test_what_falls_really_falls_and_is_never_less_than_the_least(seed: int) -> None:
    """On a linear model with two classes the greedy search with gradients is exact."""
    subject = bag_of_words(seed, k=2)
    exact, found = attacked(subject, max_changes=6), decided(subject)
    for one, best, label in zip(found, exact, subject.artifacts.labels, strict=True):
        if one.flipped:
            assert int(subject.model.predict([one.text])[0].argmax()) != int(label)
            assert best.flipped
            assert one.changes >= best.changes
        else:
            assert one.changes == 0
    assert sum(one.flipped for one in found) >= 12


def test_no_single_word_can_be_put_back_any_more() -> None:
    subject = bag_of_words(1, k=2)
    for one, label in zip(decided(subject), subject.artifacts.labels, strict=True):
        for i in range(1, len(one.pieces), 2):
            if one.flipped and one.pieces[i] != one.was[i]:
                back = one.edited(Edit(i, one.was[i]))
                assert int(subject.model.predict([back.text])[0].argmax()) == int(label)


def test_answers_alone_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = bag_of_words(2)
    before = decided(subject)
    logits = TextClassifier.logits_from_embeddings

    def answers(self: TextClassifier, embeddings: Tensor, mask: Tensor) -> Tensor:
        best = logits(self, embeddings, mask).argmax(dim=1)
        return torch.nn.functional.one_hot(best, len(self.classes)).float()

    monkeypatch.setattr(TextClassifier, "logits_from_embeddings", answers)
    assert decided(subject) == before


def test_more_starts_and_more_words_keep_every_success() -> None:
    subject = bag_of_words(3, n=40)
    starts = [decided(subject, starts=s) for s in (1, 2, 4, 8)]
    words = [decided(subject, max_changes=m) for m in (0, 1, 2, 3, 6)]
    for tried in (starts, words):
        for less, more in pairwise(tried):
            for a, b in zip(less, more, strict=True):
                assert not a.flipped or (b.flipped and b.changes <= a.changes)
    assert sum(one.flipped for one in words[0]) == 2  # wrong as they stand
    assert sum(one.flipped for one in words[1]) < sum(one.flipped for one in words[-1])


def test_batches_change_nothing_and_every_query_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject = bag_of_words(4)
    whole = decided(subject)
    assert decided(subject, batch_size=3) == whole
    read = [0]
    logits = TextClassifier.logits_from_embeddings

    def counted(self: TextClassifier, embeddings: Tensor, mask: Tensor) -> Tensor:
        read[0] += len(embeddings)
        return logits(self, embeddings, mask)

    monkeypatch.setattr(TextClassifier, "logits_from_embeddings", counted)
    assert sum(one.queries for one in decided(subject)) == read[0]

"""Mirrors auditkit/methods/attacks/triggers.py."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from auditkit.methods.attacks.triggers import Pool, TriggerSearch, with_trigger
from auditkit.models.classifier import TextClassifier
from tests.methods.attacks.subjects import WORDS, BagOfWords, bag_of_words
from tests.subjects import Subject


def search(
    subject: Subject,
    *,
    access: Literal["gradients", "scores"] = "gradients",
    candidates: int = 1,
    length: int = 3,
    batch_size: int = 128,
    rounds: int = 3,
) -> dict[int, list[tuple[str, ...]]]:
    model = subject.artifacts.text_model
    how = TriggerSearch(
        access=access, rounds=rounds, candidates=candidates, key=5, batch_size=batch_size
    )
    labels, texts = subject.artifacts.labels.tolist(), subject.artifacts.texts
    return {
        target: how.triggers(
            model,
            Pool(model),
            [text for text, label in zip(texts, labels, strict=True) if label != target],
            target=target,
            length=length,
        )
        for target in (0, 1)
    }


@pytest.mark.parametrize("seed", range(3))
def test_on_a_linear_model_the_best_word_is_known_and_repeated(seed: int) -> None:
    """The word that scores most for the target is best at every place, and the gradient knows."""
    subject = bag_of_words(seed, k=2)
    network = subject.model.module
    margin = (network.head.weight[1] - network.head.weight[0]) @ network.table.weight.T  # type: ignore[operator, index, union-attr]
    for access, candidates in (("gradients", 1), ("scores", 300)):
        found = search(subject, access=access, candidates=candidates)  # type: ignore[arg-type]
        for target, sign in ((0, -1), (1, 1)):
            best = WORDS[int((sign * margin[2:]).argmax())]
            assert found[target] == [(best,) * size for size in (1, 2, 3)]


class InTurn(BagOfWords):
    """Words count for a class at even places and against it at odd ones."""

    def forward_embeddings(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        signs = torch.ones(embeddings.shape[1])
        signs[1::2] = -1
        return self.head((embeddings * mask[:, :, None] * signs[:, None]).sum(dim=1))


def test_every_place_has_its_own_slope() -> None:
    """The best word at the second place is the worst at the first."""
    subject = bag_of_words(1, k=2)
    old = subject.artifacts.text_model
    network = old.module
    assert isinstance(network, BagOfWords)
    turn = InTurn(network.table.weight, network.head.weight, network.head.bias)
    model = TextClassifier(turn, tokenizer=old.tokenizer, classes=old.classes, max_length=32)
    margin = (network.head.weight[1] - network.head.weight[0]) @ network.table.weight[2:].T
    best, worst = WORDS[int(margin.argmax())], WORDS[int(margin.argmin())]
    found = search(Subject(model, subject.data))
    assert found[1][2] == (best, worst, best)
    assert found[0][2] == (worst, best, worst)


def test_longer_triggers_and_more_rounds_are_no_worse_where_they_were_searched() -> None:
    subject = bag_of_words(1, k=2)
    labels, texts = subject.artifacts.labels.tolist(), subject.artifacts.texts

    def likely(trigger: tuple[str, ...], target: int) -> float:
        of_others = [t for t, label in zip(texts, labels, strict=True) if label != target]
        logits = subject.model.predict([with_trigger(trigger, t) for t in of_others])
        return float(logits.double().log_softmax(dim=1)[:, target].mean())

    few = search(subject, candidates=3, rounds=1)
    many = search(subject, candidates=3, rounds=4)
    for target in (0, 1):
        assert likely(many[target][0], target) >= likely(few[target][0], target)
        assert likely(few[target][0], target) > likely((WORDS[0],), target)  # where it begins


def test_batches_change_nothing() -> None:
    subject = bag_of_words(2, k=2)
    assert search(subject, candidates=4) == search(subject, candidates=4, batch_size=3)


def test_without_gradients_none_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a gradient was taken")

    monkeypatch.setattr(torch.autograd, "grad", refuse)
    search(bag_of_words(0, k=2), access="scores", candidates=3)


def test_the_pool_holds_words_that_are_one_token_and_draws_nest() -> None:
    pool = Pool(bag_of_words(0).artifacts.text_model)
    assert pool.words == WORDS
    assert pool.embeddings.shape == (20, 4)
    assert pool.drawn(5, 3)[:2] == pool.drawn(2, 3)
    assert pool.drawn(5, 3) != pool.drawn(5, 4)

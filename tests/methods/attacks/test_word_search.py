"""Mirrors auditkit/methods/attacks/word_search.py."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise, product
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.methods.attacks.active_set import misclassified
from auditkit.methods.attacks.lexicon import Lexicon
from auditkit.methods.attacks.losses import log_odds_against
from auditkit.methods.attacks.word_search import Asked, Importance, Reworded, search_words
from auditkit.models.classifier import TextClassifier
from tests.methods.attacks.subjects import WORDS, bag_of_words, text_data
from tests.subjects import Subject

# Every word has three others that may stand for it: the next ones of the list.
OFFERED = {word: [WORDS[(i + j) % len(WORDS)] for j in (1, 2, 3)] for i, word in enumerate(WORDS)}


def offered(words: Sequence[str]) -> list[list[str]]:
    return [list(OFFERED.get(word.lower(), ())) for word in words]


def attacked(
    subject: Subject,
    *,
    max_changes: int = 1,
    beam: int = 1,
    queries: int = 1000,
    access: Literal["gradients", "scores"] = "gradients",
    batch_size: int = 128,
) -> list[Reworded]:
    artifacts = subject.artifacts
    return search_words(
        artifacts.text_model,
        artifacts.texts,
        artifacts.labels,
        Lexicon(artifacts.text_model, offered),
        limits=np.full(len(artifacts.texts), max_changes),
        beam=beam,
        queries=queries,
        access=access,
        batch_size=batch_size,
    )


class Product(nn.Module):
    """The product of two projections of the mean embedding: words matter together."""

    def __init__(self, table: Tensor, left: Tensor, right: Tensor, bias: float) -> None:
        super().__init__()
        self.table = nn.Embedding.from_pretrained(table)
        self.left, self.right, self.bias = left, right, bias

    def embed(self, ids: Tensor) -> Tensor:
        return self.table(ids)

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        real = mask[:, :, None].float()
        mean = (embeddings * real).sum(dim=1) / real.sum(dim=1)
        score = (mean @ self.left) * (mean @ self.right) + self.bias
        return torch.stack([-score, score], dim=1)


def product_subject(seed: int, *, n: int = 30, length: int = 6, bias: float = 1.5) -> Subject:
    rng = torch.Generator().manual_seed(seed)
    blank = bag_of_words(0).artifacts.text_model
    network = Product(
        torch.randn(len(WORDS) + 2, 3, generator=rng),
        torch.randn(3, generator=rng),
        torch.randn(3, generator=rng),
        bias,
    )
    model = TextClassifier(network, tokenizer=blank.tokenizer, classes=["0", "1"], max_length=32)
    drawn = torch.randint(len(WORDS), (n, length), generator=rng).tolist()
    texts = [" ".join(WORDS[i] for i in row) for row in drawn]
    return Subject(model, text_data(texts, model.predict(texts).argmax(dim=1)))


def every_swap(text: str, k: int) -> list[str]:
    """Every text with at most k words replaced, found without auditkit."""
    words = text.rstrip(".").split()
    end = "." if text.endswith(".") else ""
    found: list[str] = []
    for places in combinations(range(len(words)), k):
        for new in product(*(OFFERED[words[i]] for i in places)):
            changed = dict(zip(places, new, strict=True))
            found.append(" ".join(changed.get(i, w) for i, w in enumerate(words)) + end)
    return [text] if k == 0 else found + every_swap(text, k - 1)


def falls(subject: Subject, k: int) -> list[bool]:
    """Whether any text with at most k replaced words is answered wrongly."""
    labels = subject.artifacts.labels
    found: list[bool] = []
    for i, text in enumerate(subject.artifacts.texts):
        tried = every_swap(text, k)
        same = labels[i].repeat(len(tried))
        found.append(bool(misclassified(subject.model.predict(tried), same).any()))
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("k", [1, 2])
def test_a_wide_beam_equals_brute_force_where_words_matter_together(seed: int, k: int) -> None:
    """Six words with three replacements each: a beam of 20 follows every first change."""
    subject = product_subject(seed)
    expected = falls(subject, k)
    assert [one.flipped for one in attacked(subject, max_changes=k, beam=20)] == expected
    assert 0 < sum(expected) < len(expected)


def test_a_greedy_search_misses_what_a_beam_finds() -> None:
    """Or the test above could not tell one from the other."""
    counts = {
        beam: sum(one.flipped for one in attacked(product_subject(2), max_changes=2, beam=beam))
        for beam in (1, 20)
    }
    assert counts[1] < counts[20]


@pytest.mark.parametrize("seed", range(3))
def test_wider_beams_and_more_words_keep_every_success(seed: int) -> None:
    subject = product_subject(seed)
    beams = [attacked(subject, max_changes=3, beam=b, queries=3) for b in (1, 2, 3, 5, 8)]
    words = [attacked(subject, max_changes=m, beam=2, queries=3) for m in (1, 2, 3, 4)]
    for tried in (beams, words):
        for less, more in pairwise(tried):
            for a, b in zip(less, more, strict=True):
                assert not a.flipped or (b.flipped and b.changes <= a.changes)
    assert sum(one.flipped for one in words[0]) < sum(one.flipped for one in words[-1])


def test_a_narrower_beam_reads_a_part_of_what_a_wider_one_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Or a success could be lost; no text falls here, so that no search ends early."""
    subject = product_subject(0, bias=50.0)
    read: list[set[str]] = []
    predict = TextClassifier.predict

    def noted(self: TextClassifier, inputs: list[str], *, batch_size: int = 128) -> Tensor:
        read[-1].update(inputs)
        return predict(self, inputs, batch_size=batch_size)

    monkeypatch.setattr(TextClassifier, "predict", noted)
    for beam in (1, 2, 3, 5, 9):
        read.append(set())
        attacked(subject, max_changes=4, beam=beam, queries=3)
    for less, more in pairwise(read):
        assert less < more


def test_words_are_ranked_by_what_leaving_them_out_does() -> None:
    subject = bag_of_words(3, k=2)
    artifacts = subject.artifacts
    rank = Importance(Asked(artifacts.text_model, 128), Lexicon(artifacts.text_model, offered))
    states = [Reworded.of(text) for text in artifacts.texts]
    for i, one in enumerate(rank.edits(states, artifacts.labels, 4)):
        words = artifacts.texts[i].rstrip(".").split()
        shorter = [" ".join([*words[:j], "", *words[j + 1 :]]) + "." for j in range(len(words))]
        label = artifacts.labels[i].repeat(len(words))
        hurt = log_odds_against(subject.model.predict(shorter), label)
        first, second = hurt.argsort(descending=True)[:2].tolist()
        assert [edit.piece // 2 for edit in one.edits] == [first] * 3 + [second]
        assert [edit.new for edit in one.edits[:3]] == OFFERED[words[first]]
        assert one.queries == len(words)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("k", [1, 2, 3])
def test_on_a_linear_model_the_best_swaps_are_the_known_ones(seed: int, k: int) -> None:
    """The loss is a sum over words, so the k words that gain most are the best k swaps.

    With two classes the gradient ranks exactly: one query per round is as good as all.
    """
    subject = bag_of_words(seed, k=2)
    network = subject.model.module
    margin = (network.head.weight[1] - network.head.weight[0]) @ network.table.weight.T  # type: ignore[operator, index, union-attr]
    score: dict[str, float] = dict(zip(WORDS, margin[2:].tolist(), strict=True))
    labels = subject.artifacts.labels
    clean = log_odds_against(subject.model.predict(subject.artifacts.texts), labels)
    for queries in (1, 1000):
        found = attacked(subject, max_changes=k, queries=queries)
        after = log_odds_against(subject.model.predict([one.text for one in found]), labels)
        for i, text in enumerate(subject.artifacts.texts):
            words, side = text.rstrip(".").split(), 1 if labels[i] == 0 else -1
            gains = sorted(
                (max(side * (score[new] - score[w]) for new in OFFERED[w]) for w in words),
                reverse=True,
            )
            tokens = len(words) + 1  # the full stop is an unknown token
            best = [float(clean[i]) + sum(gains[:j]) / tokens for j in range(k + 1)]
            needed = next((j for j in range(k + 1) if best[j] > 0), None)
            assert found[i].flipped == (needed is not None)
            if needed is not None:
                assert found[i].changes == needed
            assert float(after[i]) == pytest.approx(best[k if needed is None else needed], abs=1e-4)


def test_with_scores_alone_no_gradient_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = bag_of_words(3, n=40)
    white = attacked(subject, max_changes=3, queries=6)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a gradient was taken")

    monkeypatch.setattr(torch.autograd, "grad", refuse)
    black = attacked(subject, max_changes=3, queries=6, access="scores")
    fallen = [sum(one.flipped for one in run) for run in (white, black)]
    assert fallen[1] > 2 + 0.5 * (fallen[0] - 2)  # two are wrong as they stand
    everything = attacked(subject, max_changes=2, access="scores")  # no ranking is needed then
    assert [one.text for one in everything] == [
        one.text for one in attacked(subject, max_changes=2, access="scores", batch_size=3)
    ]


def test_with_all_candidates_tried_the_ranking_does_not_matter() -> None:
    subject = bag_of_words(4)
    by_score = attacked(subject, max_changes=2, access="scores")
    assert [one.flipped for one in by_score] == [
        one.flipped for one in attacked(subject, max_changes=2)
    ]


@pytest.mark.parametrize("access", ["gradients", "scores"])
def test_every_query_is_counted(
    access: Literal["gradients", "scores"], monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = bag_of_words(2)
    model, read = subject.artifacts.text_model, [0]
    logits = TextClassifier.logits_from_embeddings

    def counted(self: TextClassifier, embeddings: Tensor, mask: Tensor) -> Tensor:
        read[0] += len(embeddings)
        return logits(self, embeddings, mask)

    monkeypatch.setattr(TextClassifier, "logits_from_embeddings", counted)
    found = attacked(Subject(model, subject.data), max_changes=3, beam=2, queries=5, access=access)
    assert sum(one.queries for one in found) == read[0]


def test_a_limit_of_its_own_for_each_text() -> None:
    subject = bag_of_words(1, n=40)
    artifacts = subject.artifacts
    limits = np.arange(40) % 3
    found = search_words(
        artifacts.text_model, artifacts.texts, artifacts.labels,
        Lexicon(artifacts.text_model, offered), limits=limits, beam=1, queries=50,
    )  # fmt: skip
    for m in range(3):
        alone = attacked(subject, max_changes=m, queries=50)
        for i in np.flatnonzero(limits == m):
            assert found[i].text == alone[i].text


def test_a_flipped_text_really_flips_the_model() -> None:
    subject = bag_of_words(1)
    for one, label in zip(attacked(subject, max_changes=2), subject.artifacts.labels, strict=True):
        answer = int(subject.model.predict([one.text])[0].argmax())
        assert (answer != int(label)) == one.flipped


def test_a_wrong_answer_is_not_repaired() -> None:
    subject = bag_of_words(0)
    found = attacked(subject, max_changes=3)
    for i in range(2):  # the two that are labelled against the model
        assert found[i].flipped
        assert found[i].text == subject.artifacts.texts[i]
        assert found[i].queries == 1


@pytest.mark.parametrize("access", ["gradients", "scores"])
def test_order_and_batches_change_nothing(access: Literal["gradients", "scores"]) -> None:
    subject = bag_of_words(5)
    whole = attacked(subject, max_changes=2, beam=3, queries=7, access=access)
    small = attacked(subject, max_changes=2, beam=3, queries=7, access=access, batch_size=5)
    assert small == whole
    turned = Subject(
        subject.model,
        text_data(subject.artifacts.texts[::-1], subject.artifacts.labels.flip(0), classes=3),
    )
    assert attacked(turned, max_changes=2, beam=3, queries=7, access=access)[::-1] == whole


def test_what_stands_between_words_is_kept() -> None:
    subject = bag_of_words(3)
    texts = ["amber,  Birch... (dunes)!", "", "?!"]
    labels = subject.model.predict(texts).argmax(dim=1)
    model = subject.artifacts.text_model
    found = search_words(
        model, texts, labels, Lexicon(model, offered), limits=np.full(3, 3), beam=2, queries=100
    )
    assert [one for i, one in enumerate(found[0].pieces) if i % 2 == 0] == [
        "",
        ",  ",
        "... (",
        ")!",
    ]
    assert found[0].changes > 0
    assert [one.text for one in found[1:]] == texts[1:]


def test_a_word_that_is_cut_off_is_not_tried() -> None:
    subject = bag_of_words(6)
    model = subject.artifacts.text_model
    text = " ".join(WORDS[i % len(WORDS)] for i in range(60))  # 32 tokens are read
    labels = model.predict([text]).argmax(dim=1)
    found = search_words(
        model, [text], labels, Lexicon(model, offered), limits=np.array([40]), beam=1, queries=3
    )[0]
    changed = [i // 2 for i in range(1, 120, 2) if found.pieces[i] != found.was[i]]
    assert changed
    assert max(changed) < 32

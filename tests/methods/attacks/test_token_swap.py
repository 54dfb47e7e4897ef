"""Mirrors auditkit/methods/attacks/token_swap.py."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import Whitespace

from auditkit.methods.attacks.active_set import misclassified
from auditkit.methods.attacks.losses import log_odds_against
from auditkit.methods.attacks.token_swap import SHORTEST_TYPO, Swapped, Vocabulary, token_swap
from auditkit.models.classifier import TextClassifier
from auditkit.randomness import keys_of
from tests.methods.attacks.subjects import WORDS, BagOfWords, bag_of_words
from tests.subjects import Subject

NEIGHBOURS = 5


def attacked(subject: Subject, *, max_changes: int = 1, **options: int) -> list[Swapped]:
    artifacts = subject.artifacts
    return token_swap(
        artifacts.text_model,
        artifacts.texts,
        artifacts.labels,
        max_changes=max_changes,
        neighbours=options.get("neighbours", NEIGHBOURS),
        queries=options.get("queries", 1000),
        keys=artifacts.keys("token-swap"),
        batch_size=options.get("batch_size", 128),
    )


def every_single_change(subject: Subject, text: str) -> list[str]:
    """Every neighbour by cosine and an unknown word at every place, found without auditkit."""
    table = subject.model.module.table.weight.double().numpy()  # type: ignore[union-attr]
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    words = text.rstrip(".").split()
    found: list[str] = []
    for i, word in enumerate(words):
        own = 2 + WORDS.index(word)
        likeness = unit[2:] @ unit[own]
        likeness[own - 2] = -np.inf
        near = [WORDS[j] for j in np.argsort(-likeness)[:NEIGHBOURS]]
        typo = ["xxxx"] if len(word) >= SHORTEST_TYPO else []
        found += [" ".join([*words[:i], new, *words[i + 1 :]]) + "." for new in near + typo]
    return found


@pytest.mark.parametrize("seed", range(4))
def test_one_change_equals_brute_force_on_a_bag_of_words(seed: int) -> None:
    subject = bag_of_words(seed)
    model, labels = subject.model, subject.artifacts.labels
    correct = model.predict(subject.artifacts.texts).argmax(dim=1) == labels
    found = attacked(subject)
    after = log_odds_against(model.predict([one.text for one in found]), labels)
    seen = set()
    for i, text in enumerate(subject.artifacts.texts):
        if not correct[i]:
            continue
        tried = every_single_change(subject, text)
        logits, same = model.predict(tried), labels[i].repeat(len(tried))
        wrong = misclassified(logits, same)
        assert found[i].flipped == bool(wrong.any())
        losses = log_odds_against(logits, same)
        best = losses[wrong].max() if wrong.any() else losses.max()
        assert after[i].item() == pytest.approx(best.item(), abs=1e-5)
        seen.add(found[i].flipped)
    assert seen == {True, False}  # the test would be empty if all or none fell


@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_ranks_a_linear_model_exactly(seed: int) -> None:
    """With one query for the best neighbour, and typos, nothing is lost against trying them all."""
    subject = bag_of_words(seed, k=2)  # with two classes the loss is linear in the embeddings
    few, many = attacked(subject, queries=1), attacked(subject)
    assert [one.flipped for one in few] == [one.flipped for one in many]


def test_more_changes_continue_the_same_search() -> None:
    subject = bag_of_words(7)
    found = [attacked(subject, max_changes=m) for m in (1, 2, 3)]
    for fewer, more in pairwise(found):
        for a, b in zip(fewer, more, strict=True):
            assert not (a.flipped and a != b)  # a success is kept as it was
    flipped = [sum(one.flipped for one in run) for run in found]
    assert flipped[0] < flipped[2]
    for m, run in zip((1, 2, 3), found, strict=True):
        assert all(one.changes <= m for one in run)


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


def test_order_and_batches_change_nothing() -> None:
    subject = bag_of_words(5)
    whole = attacked(subject, max_changes=2)
    assert attacked(subject, max_changes=2, batch_size=5) == whole
    artifacts = subject.artifacts
    turned = token_swap(
        artifacts.text_model,
        artifacts.texts[::-1],
        artifacts.labels.flip(0),
        max_changes=2,
        neighbours=NEIGHBOURS,
        queries=1000,
        keys=artifacts.keys("token-swap")[::-1],
    )
    assert turned[::-1] == whole


def test_capitals_and_what_stands_between_words_are_kept() -> None:
    subject = bag_of_words(3)
    texts = ["AMBER,  Birch... (dunes)!", ""]
    labels = subject.model.predict(texts).argmax(dim=1)
    found = token_swap(
        subject.artifacts.text_model, texts, labels, max_changes=3, neighbours=8, queries=100,
        keys=keys_of(0, "token-swap", ["a", "b"]),
    )  # fmt: skip
    assert [one for i, one in enumerate(found[0].pieces) if i % 2 == 0] == [
        "",
        ",  ",
        "... (",
        ")!",
    ]
    for now, was in zip(found[0].pieces, found[0].was, strict=True):
        assert now == was or now[0].isupper() == was[0].isupper()
    assert found[0].changes > 0
    assert found[1].text == ""


def test_special_tokens_are_never_proposed() -> None:
    vocabulary = Vocabulary.of(bag_of_words(0).artifacts.text_model, 100)
    assert vocabulary.words[:2] == ("", "")
    assert vocabulary.neighbours.shape == (22, 19)  # fewer than asked: the vocabulary is small
    assert (vocabulary.neighbours[2:] >= 2).all()
    own = torch.arange(22)[2:, None]
    assert (vocabulary.neighbours[2:] != own).all()


def test_parts_of_words_are_replaced_inside_their_word() -> None:
    """With a subword tokenizer the text is changed at the characters of the token."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "snow", "rain", "##fall", "##drop", "is", "was", "here"]
    tokenizer = Tokenizer(WordPiece({p: i for i, p in enumerate(pieces)}, unk_token="[UNK]"))  # type: ignore[call-arg]
    tokenizer.pre_tokenizer = Whitespace()  # type: ignore[assignment]
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]"])
    rng = torch.Generator().manual_seed(0)
    embeddings = torch.rand(len(pieces), 3, generator=rng)
    embeddings[3], embeddings[4] = torch.tensor([1.0, 1.0, 1.0]), torch.tensor([0.9, 1.0, -1.0])
    network = BagOfWords(
        embeddings, torch.tensor([[0.0, 0.0, 3.0], [0.0, 0.0, -3.0]]), torch.tensor([0.0, 2.4])
    )
    model = TextClassifier(network, tokenizer=tokenizer, classes=["a", "b"], max_length=16)
    texts = ["snowfall is here"]
    labels = model.predict(texts).argmax(dim=1)
    found = token_swap(
        model, texts, labels, max_changes=1, neighbours=3, queries=50,
        keys=keys_of(0, "token-swap", ["a"]),
    )[0]  # fmt: skip
    assert found.changes == 1
    assert found.text.endswith(" is here")
    assert bool(misclassified(model.predict([found.text]), labels)) == found.flipped

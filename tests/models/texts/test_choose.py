"""Mirrors auditkit/models/texts/choose.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.models.classifier import TextClassifier
from auditkit.models.texts.choose import (
    choose_wording,
    doubt_of_texts,
    retokenised,
    unknown_share,
)
from auditkit.models.texts.load import Reader
from auditkit.models.texts.vocabulary import Words
from auditkit.models.texts.wording import Wording, likely_wordings, tokenizer_of

PLAIN = ("<pad>", "<unk>", "good", "bad", "film", "plot", ",", ".", "!")


class Sum(nn.Module):
    """Logits add up over the words of a text; the first word may count alone."""

    def __init__(self, weights: dict[int, float], *, first: bool = False) -> None:
        super().__init__()
        table = torch.zeros(40, 2)
        for word, value in weights.items():
            table[word, 1] = value
        self.tokens = nn.Embedding.from_pretrained(table)
        self.first = first

    def embed(self, ids: Tensor) -> Tensor:
        return self.tokens(ids)

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        counted = embeddings[:, 1:] if self.first else embeddings
        return (counted * mask[:, -counted.shape[1] :, None]).sum(1)


def reader_of(*known: str) -> Reader:
    ids = {word: i for i, word in enumerate(known)}
    first = "[CLS]" if "[CLS]" in ids else None
    words = Words(ids=ids, pad="<pad>", unk="<unk>", first=first, last=None)
    wordings = tuple(likely_wordings(words))
    return Reader(
        file="vocab.json",
        wordings=wordings,
        words=words,
        tokenizer=tokenizer_of(words, wordings[0]),
    )


def model_of(reader: Reader, module: nn.Module, classes: tuple[str, ...] = ("-", "+")):
    return TextClassifier(module, tokenizer=reader.tokenizer, classes=classes, max_length=12)


def drawn(n: int, *, glue: str) -> tuple[list[str], Tensor]:
    """Return texts of two good or bad words among others, glued to what follows."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, n)
    texts = [
        " ".join(rng.permutation([f"{('bad', 'good')[label]}{glue}", "film", "plot"]))
        for label in labels
    ]
    return texts, torch.from_numpy(labels)


GOOD = {2: 3.0, 3: -3.0}


def test_the_way_that_knows_the_words_is_chosen() -> None:
    reader = reader_of(*PLAIN)
    model = model_of(reader, Sum(GOOD))
    wording, note = choose_wording(model, reader, *drawn(80, glue=","))
    assert wording == Wording(split="punctuation", lower=True)
    assert "split into words and single punctuation marks and lower-cased" in note
    assert "0 % of the words are unknown" in note
    spaces = retokenised(model, reader, Wording(split="spaces", lower=True))
    assert unknown_share(spaces, ["good, film", "plot"]) == pytest.approx(1 / 3)


def test_unknown_words_speak_against_the_likeliest_way() -> None:
    """Also where the network itself tells nothing."""
    reader = reader_of(*PLAIN)
    spaces, marks = (Wording(split=one, lower=True) for one in ("spaces", "punctuation"))
    model = model_of(reader, Sum({}))
    glued, alone = drawn(80, glue=","), drawn(80, glue=" ,")
    for order in ((spaces, marks), (marks, spaces)):
        ordered = replace(reader, wordings=order)
        assert choose_wording(model, ordered, *glued)[0] == marks
        assert choose_wording(model, ordered, *alone)[0] == order[0]


def test_labels_decide_whether_a_first_token_is_read() -> None:
    reader = reader_of("<pad>", "<unk>", "good", "bad", "film", "plot", "[CLS]")
    texts, labels = drawn(200, glue="")
    with_first, note = choose_wording(
        model_of(reader, Sum(GOOD, first=True)), reader, texts, labels
    )
    assert with_first.first
    assert "they begin with [CLS]" in note
    # Where [CLS] itself speaks for one class, it was not there in training.
    without, note = choose_wording(model_of(reader, Sum({**GOOD, 6: 9.0})), reader, texts, labels)
    assert not without.first
    assert "the one that answers best" in note
    assert "100 % of 200 labelled texts" in note


def test_few_texts_decide_nothing() -> None:
    reader = reader_of(*PLAIN)
    wording, note = choose_wording(model_of(reader, Sum(GOOD)), reader, *drawn(20, glue=","))
    assert wording == reader.wordings[0]
    assert "labelled" not in note


def test_a_wrong_order_of_classes_is_doubted() -> None:
    reader = reader_of(*PLAIN)
    model = model_of(reader, Sum(GOOD))
    texts, labels = drawn(100, glue=" ,")
    assert doubt_of_texts(model, texts, labels) is None
    said = doubt_of_texts(model, texts, 1 - labels)
    assert said is not None
    assert "Accuracy is 0 % as given and 100 %" in said
    assert "did you mean --classes +,-?" in said
    assert doubt_of_texts(model, texts[:30], 1 - labels[:30]) is None


def test_of_three_classes_the_right_order_is_named() -> None:
    reader = reader_of(*PLAIN)
    module = Sum({})
    module.tokens = nn.Embedding.from_pretrained(3 * torch.eye(40)[:, [2, 3, 4]])
    model = model_of(reader, module, ("a", "b", "c"))
    truth = torch.arange(90) % 3
    texts = [("good", "bad", "film")[(label + 1) % 3] for label in truth.tolist()]
    said = doubt_of_texts(model, texts, truth)  # output 0 means class 2, 1 means 0, 2 means 1
    assert said is not None
    assert "did you mean --classes c,a,b?" in said


def test_a_strange_vocabulary_is_doubted() -> None:
    reader = reader_of(*PLAIN)
    texts, labels = drawn(60, glue="")
    said = doubt_of_texts(
        model_of(reader, Sum(GOOD)), [f"xx yy {one[:3]}" for one in texts], labels
    )
    assert said is not None
    assert "of the words in 60 texts are unknown" in said


def test_accuracy_by_chance_is_no_reason() -> None:
    reader = reader_of(*PLAIN)
    texts, labels = drawn(60, glue=" .")
    shuffled = labels[torch.from_numpy(np.random.default_rng(1).permutation(60))]
    assert doubt_of_texts(model_of(reader, Sum(GOOD)), texts, shuffled) is None

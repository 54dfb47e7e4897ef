"""Mirrors auditkit/checks/performance/clean_accuracy.py."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from sklearn import metrics as peer
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from torch import Tensor, nn

from auditkit.checks.performance.clean_accuracy import CleanAccuracy
from auditkit.data.dataset import Dataset, InMemory
from auditkit.data.digest import input_digest
from auditkit.findings import ImageExhibit, Matrix, Table, TextExhibit
from auditkit.models.classifier import ImageClassifier, TextClassifier
from auditkit.statistics import clopper_pearson
from tests.subjects import (
    Subject,
    graph_subject,
    image_data,
    linear_subject,
    measured,
    run_check,
    table_subject,
    values,
)

CHECK = CleanAccuracy()
REVEALS = "accuracy"


def broken() -> Subject:
    """Every second label contradicts the model."""
    return linear_subject(0, n=40, wrong=20)


def sound() -> Subject:
    return linear_subject(0, n=40, wrong=1)


class ByPixels(nn.Module):
    """The logits are the pixels: predictions can be written down."""

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)


def written(
    predicted: list[int], labels: list[int], *, k: int, confidence: list[float] | None = None
) -> Subject:
    """A subject of k classes with these predictions, at this confidence or a distinct one each."""
    n = len(predicted)
    stated = torch.tensor(confidence or [0.6 + 0.39 * i / n for i in range(n)], dtype=torch.float64)
    images = torch.zeros(n, 1, 1, k, dtype=torch.float64)
    images[torch.arange(n), 0, 0, torch.tensor(predicted)] = torch.log(
        stated * (k - 1) / (1 - stated)
    )
    names = tuple("abcdefgh"[:k]) if k <= 8 else tuple(f"c{i}" for i in range(k))
    model = ImageClassifier(ByPixels(), classes=names, input_shape=(1, 1, k), bounds=(0.0, 10.0))
    return Subject(model, image_data(images.float(), labels, classes=names))


def test_numbers_equal_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, size=80)
    predicted = np.where(rng.random(80) < 0.7, labels, rng.integers(0, 4, size=80))
    outcome = measured(CHECK, written(predicted.tolist(), labels.tolist(), k=4))
    found = values(outcome)
    assert found["accuracy"] == pytest.approx(peer.accuracy_score(labels, predicted))
    assert found["balanced_accuracy"] == pytest.approx(
        peer.balanced_accuracy_score(labels, predicted)
    )
    precision, recall = np.array(peer.precision_recall_fscore_support(labels, predicted))[:2]
    for i, name in enumerate("abcd"):
        assert found[f"precision/class={name}"] == pytest.approx(precision[i])
        assert found[f"recall/class={name}"] == pytest.approx(recall[i])
    matrix = outcome.evidence["confusion"]
    assert isinstance(matrix, Matrix)
    assert (np.array(matrix.values) == peer.confusion_matrix(labels, predicted)).all()


def test_intervals_and_denominators() -> None:
    outcome = measured(CHECK, written([0, 0, 0, 1, 1], [0, 0, 1, 1, 1], k=2))
    by_id = {one.id: one for one in outcome.findings}
    whole = by_id["clean-accuracy/accuracy/all"]
    assert (whole.low, whole.high) == clopper_pearson(4, 5)
    assert (whole.n, whole.interval) == (5, "clopper-pearson")
    precision = by_id["clean-accuracy/precision/class=a"]
    assert (precision.value, precision.n) == (pytest.approx(2 / 3), 3)
    recall = by_id["clean-accuracy/recall/class=a"]
    assert (recall.value, recall.n) == (1.0, 2)
    balanced = by_id["clean-accuracy/balanced_accuracy/all"]
    assert balanced.low is not None
    assert balanced.low < balanced.value < balanced.high  # type: ignore[operator]


def test_a_class_without_inputs_is_undefined_not_zero() -> None:
    outcome = measured(CHECK, written([0, 0, 1, 1], [0, 0, 1, 2], k=4))
    by_id = {one.id: one for one in outcome.findings}
    assert by_id["clean-accuracy/recall/class=c"].value == 0  # there is one, and it is missed
    for metric, name in (("precision", "c"), ("precision", "d"), ("recall", "d")):
        finding = by_id[f"clean-accuracy/{metric}/class={name}"]
        assert finding.value is None
        assert name in (finding.undefined or "")
    assert values(outcome)["balanced_accuracy"] == pytest.approx(2 / 3)


def test_shards_do_not_change_findings() -> None:
    subject = written([0, 1, 2] * 10, [0, 1, 1] * 10, k=3)
    assert run_check(CHECK, subject, shard_size=7) == run_check(CHECK, subject)


def test_the_gallery_shows_the_most_confident_mistakes() -> None:
    confidence = [0.7, 0.99, 0.8, 0.95, 0.9]
    subject = written([0, 1, 1, 0, 1], [1, 1, 0, 1, 0], k=2, confidence=confidence)
    shown = measured(CHECK, subject, shard_size=2).evidence["mistakes"]
    assert isinstance(shown, ImageExhibit)
    assert shown.selection == "worst"
    assert [row.id for row in shown.rows] == ["00003", "00004", "00002", "00000"]
    assert shown.rows[0].caption == "labelled 'b', predicted 'a' with confidence 0.950"
    assert shown.rows[0].panels[0].kind == "picture"


def test_repeated_inputs_are_counted_and_named() -> None:
    same = [0.7, 0.7, 0.7, 0.8, 0.8, 0.9]
    subject = written([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 1], k=2, confidence=same)
    outcome = measured(CHECK, subject, shard_size=2)
    found = values(outcome)
    assert found["duplicate_share"] == pytest.approx(5 / 6)
    assert found["conflicting_duplicates"] == 3
    table = outcome.evidence["duplicates"]
    assert isinstance(table, Table)
    assert sorted(table.rows) == [["00000, 00001, 00002", "a, a, b"], ["00003, 00004", "b, b"]]
    clean = values(measured(CHECK, written([0, 1, 1], [0, 1, 0], k=2)))
    assert (clean["duplicate_share"], clean["conflicting_duplicates"]) == (0, 0)


def test_overlap_with_training_is_undefined_unless_known() -> None:
    subject = written([0, 1, 1, 0], [0, 1, 0, 0], k=2)
    unknown = {one.metric: one for one in measured(CHECK, subject).findings}
    assert unknown["training_overlap_share"].value is None
    assert "not known" in (unknown["training_overlap_share"].undefined or "")
    inputs = subject.data.read(slice(None))
    for seen in (0, 1, 3):
        digests = frozenset(input_digest(inputs[i]) for i in range(seen))
        data = dataclasses.replace(subject.data, training_digests=digests)
        found = values(measured(CHECK, Subject(subject.model, data)))
        assert found["training_overlap_share"] == seen / 4


def test_many_classes_are_shown_as_a_table_of_confusions() -> None:
    outcome = measured(CHECK, written([1, 1, 2, 3], [0, 0, 2, 2], k=40))
    table = outcome.evidence["confusion"]
    assert isinstance(table, Table)
    assert table.rows == [["c0", "c1", 2], ["c2", "c3", 1]]


def test_findings_rest_on_evidence_that_exists() -> None:
    outcome = measured(CHECK, broken())
    assert {key for one in outcome.findings for key in one.evidence} <= outcome.evidence.keys()


class Words(nn.Module):
    """Says 1 where the second token of the vocabulary appears."""

    def embed(self, ids: Tensor) -> Tensor:
        return nn.functional.one_hot(ids, 4).float()

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        score = embeddings[..., 3].sum(dim=1) * 4 - 2
        return torch.stack([torch.zeros_like(score), score], dim=1)


def test_texts_are_shown_and_compared_as_texts() -> None:
    vocabulary = {"[PAD]": 0, "[UNK]": 1, "bad": 2, "good": 3}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    model = TextClassifier(Words(), tokenizer=tokenizer, classes=("no", "yes"), max_length=8)
    data = Dataset(
        name="made-up",
        split="test",
        modality="text",
        classes=("no", "yes"),
        ids=("a", "b", "c", "d"),
        labels=np.array([1, 0, 0, 1]),
        reader=InMemory(["good", "bad", "not good", "good"]),
        sha256="0" * 64,
    )
    outcome = measured(CHECK, Subject(model, data))
    assert values(outcome)["accuracy"] == 0.75
    assert values(outcome)["duplicate_share"] == 0.5
    shown = outcome.evidence["mistakes"]
    assert isinstance(shown, TextExhibit)
    assert [row.tokens[0].text for row in shown.rows] == ["not good"]


def test_rows_and_graphs_are_shown_in_words() -> None:
    for subject, words in (
        (table_subject(), "age 70, work Private, wage (missing)"),
        (graph_subject(), "3 nodes (2 C, 1 N), 2 edges"),
    ):
        mistakes = measured(CHECK, subject).evidence["mistakes"]
        assert isinstance(mistakes, TextExhibit)
        assert [row.id for row in mistakes.rows] == ["00003"], "the one that is labelled wrongly"
        assert [one.text for one in mistakes.rows[0].tokens] == [words]


def test_equal_rows_are_found_also_where_values_are_missing() -> None:
    found = values(measured(CHECK, table_subject()))
    assert found["duplicate_share"] == 2 / 4, "the last two rows are equal"
    assert found["conflicting_duplicates"] == 2
